"""Whether an HDF5 file holds only what can be read safely: plain links, sizes that the file has, text to be shown."""

import stat
import unicodedata
from pathlib import Path
from typing import Any

import h5py

ENTRIES, DEPTH = 100_000, 24  # of a whole file; the deepest tree that pinnkit writes has 7 levels
PACKED = 100  # times the file's size: what one compressed note of a user's own may claim


class Damaged(ValueError):
    """A file that is not what its writer left, or that claims what it cannot hold."""


def check_regular(path: Path) -> None:
    """ValueError where the path is a folder, a pipe, a device or a socket, or empty: reading it may never end.

    What a system shows of itself as files (/proc) has no size either.
    """
    if path.is_dir():
        raise ValueError(f"{path} is a folder: expected a file")
    if not stat.S_ISREG(path.stat().st_mode):
        raise ValueError(f"{path} is a pipe, a device or a socket: expected a regular file")
    if path.stat().st_size == 0:
        raise ValueError(f"{path} is empty: expected a file with contents")


def check_structure(h5: h5py.File, size: int) -> None:
    """Whether every object is met once, by a plain link, and claims no more bytes than a file of ``size`` bytes holds.

    Nothing but headers is read.

    Raises:
        Damaged: soft or external links, cycles, external or virtual data, too many or too large objects.
    """
    seen, entries, claimed, todo = {_address(h5)}, 0, 0, [(h5, 0)]
    while todo:
        group, depth = todo.pop()
        entries += len(group) + len(group.attrs)
        if entries > ENTRIES or depth > DEPTH:
            raise Damaged(f"it has more than {ENTRIES} entries or {DEPTH} levels")
        _check_attributes(group, size)
        for name in group:
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise Damaged("it holds a link to another place")
            item = group[name]
            if (address := _address(item)) in seen:
                raise Damaged("one object stands in two places of it")
            seen.add(address)
            if isinstance(item, h5py.Group):
                todo.append((item, depth + 1))
                continue
            claimed += _bytes(item, size)
            _check_attributes(item, size)
    if claimed > PACKED * size:
        raise Damaged(f"its arrays claim {claimed} bytes, it has {size}")


def check_plain(dataset: h5py.Dataset) -> None:
    """Damaged where an array is not stored as ``hdf5.write`` stores it: whole, in one piece, uncompressed."""
    plain = dataset.chunks is None and dataset.external is None and not dataset.is_virtual
    if not plain or dataset.dtype.hasobject or dataset.id.get_storage_size() != dataset.nbytes:
        raise Damaged("an array of it is not stored whole and uncompressed")


def _address(item: h5py.Group | h5py.Dataset) -> tuple[int, int]:
    info = h5py.h5o.get_info(item.id)
    return info.fileno, info.addr


def _bytes(dataset: Any, size: int) -> int:
    if not isinstance(dataset, h5py.Dataset) or dataset.external is not None or dataset.is_virtual:
        raise Damaged("it holds data that stand elsewhere")
    nbytes = dataset.dtype.itemsize
    for n in dataset.shape or (0,):
        nbytes *= int(n)
    if nbytes > (PACKED if dataset.chunks else 1) * size:
        raise Damaged(f"an array of it claims {nbytes} bytes, the file has {size}")
    return nbytes


def _check_attributes(item: h5py.Group | h5py.Dataset, size: int) -> None:
    for i in range(h5py.h5a.get_num_attrs(item.id)):
        if h5py.h5a.open(item.id, index=i).get_storage_size() > size:
            raise Damaged(f"a value of it claims more bytes than the file's {size}")


def shown(value: Any) -> Any:
    """Text, also within lists and mappings, without what a terminal would obey; anything else as it is."""
    if isinstance(value, str):
        return "".join(c if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cf") else "\ufffd" for c in value)
    if isinstance(value, list):
        return [shown(v) for v in value]
    return {shown(k): shown(v) for k, v in value.items()} if isinstance(value, dict) else value
