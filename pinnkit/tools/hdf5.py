"""Trees of tensors, numbers and text as HDF5 files: written whole or not at all, and never read damaged."""

import io
import json
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import h5py
import numpy as np
import torch
from h5py import h5a, h5d, h5g, h5p, h5s, h5t
from torch import Tensor

from .atomic_file import put
from .hdf5_check import Damaged, check_plain, check_regular, check_structure, shown
from .interrupt import held

Tree = Mapping[str, Any]

# From this version on HDF5 keeps a checksum of all but the datasets, which get one of their own below.
LIBVER = ("v110", "v110")


@dataclass(frozen=True)
class Json:
    """A value that is written as JSON text."""

    value: Any


@contextmanager
def as_written(path: str | Path, writer: str) -> Iterator[None]:
    """A block in which a file's contents are put together again; what it does not hold is a ValueError of one sentence.

    Forged contents can make torch and SymPy raise anything.
    """
    try:
        yield
    except KeyError as error:
        raise ValueError(f"{path} is incomplete: it holds no {error}, so {writer} did not write it") from error
    except Exception as error:
        if isinstance(error, ValueError) and str(path) in str(error):
            raise
        text = " ".join(shown(str(error)).split())
        raise ValueError(f"{path} holds settings that {writer} does not write ({text})") from error


def write(path: str | Path, format: str, version: int, tree: Tree) -> Path:
    """Put a file with this tree in the place of ``path`` at once, after it has reached the disk.

    A tree maps names to trees, tensors, arrays, numbers, text, booleans, None and ``Json`` values.

    Raises:
        OSError: a missing folder, a folder in the file's place, a full disk; what was there before stays.
    """

    def fill(partial: Path) -> None:
        with held(), _Sink(partial, "w+") as file:  # HDF5 is not safe from exceptions of signals in its callbacks
            with h5py.File(file, "w", libver=LIBVER) as h5:
                h5.attrs["format"], h5.attrs["version"] = format, version
                _put(h5, tree)
            file.check()

    return put(path, fill, format)


class _Sink(io.FileIO):
    """A file that remembers its first error and goes on as if nothing was wrong: HDF5 crashes on a full disk."""

    error: BaseException | None = None

    def write(self, data: Any) -> int:
        """Write all of the data, unless something failed before."""
        rest = memoryview(data)
        self._try(lambda: self._write_all(rest))
        return len(rest)

    def truncate(self, size: int | None = None) -> int:
        """Cut or extend the file, unless something failed before."""
        self._try(lambda: io.FileIO.truncate(self, size))
        return size or 0

    def check(self) -> None:
        """Raise what failed on the way."""
        if self.error is not None:
            raise self.error

    def _write_all(self, rest: memoryview) -> None:
        while len(rest):
            rest = rest[super().write(rest) :]

    def _try(self, act: Callable[[], Any]) -> None:
        try:
            if self.error is None:
                act()
        except BaseException as error:
            self.error = error


def read(path: str | Path, format: str, version: int, only: Collection[str] | None = None) -> dict[str, Any]:
    """The tree in a file that ``write`` wrote, or the entries of its top that ``only`` names.

    Tensors come in memory of their own. A file that links to other places, or claims more than it holds, is refused
    before any of it is read.

    Raises:
        FileNotFoundError: no such file; ValueError: a damaged or foreign file, or one of a later version.
    """
    with _opened(path, format, version) as h5:
        return _take(h5, only)


@contextmanager
def _opened(path: str | Path, format: str, version: int) -> Iterator[h5py.File]:
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}")
    if path.is_dir():
        raise ValueError(f"{path} is a folder: expected a file of format {format}")
    check_regular(path)
    try:
        with path.open("rb") as file:  # an OSError of its own where reading is forbidden, or fails
            file.read(1)
    except OSError as error:
        if error.filename is None:  # what fails within a file does not name it
            raise OSError(f"{path} cannot be read ({(error.strerror or str(error)).lower()})") from error
        raise
    if not h5py.is_hdf5(path):
        raise ValueError(f"{path} is not an HDF5 file, or its beginning is damaged: expected a file of format {format}")
    try:
        with h5py.File(path, "r", locking=False) as h5:
            _check_format(path, h5, format, version)
            check_structure(h5, path.stat().st_size)
            yield h5
    except _Foreign:
        raise
    except Exception as error:  # a damaged file can make h5py and numpy raise anything
        raise ValueError(f"{path} is damaged ({_damage(error)}): use a copy or another checkpoint") from error


def _damage(error: Exception) -> str:
    if "truncated" in str(error):
        return "it was cut short"
    return shown(str(error)) if isinstance(error, Damaged) else "its structure cannot be read"


class _Foreign(ValueError):
    """A file that is in order but not ours to read."""


def _check_format(path: Path, h5: h5py.File, format: str, version: int) -> None:
    if str(h5.attrs.get("format")) != format:
        raise _Foreign(
            f"{path} is an HDF5 file, but not one of format {format}: it was not written by pinnkit for this"
        )
    if int(h5.attrs["version"]) > version:
        raise _Foreign(
            f"{path} has version {int(h5.attrs['version'])} of the format {format}, this pinnkit reads up to "
            f"{version}: install a newer pinnkit"
        )


def _put(group: h5py.Group, tree: Tree) -> None:
    for name, value in tree.items():
        key = quote(str(name), safe=" :+=,()^*|@")
        key = key.replace(".", "%2E") if key in (".", "..") else key  # these mean places to HDF5
        if isinstance(value, Mapping):
            _put(group.create_group(key), value)
        elif isinstance(value, (Tensor, np.ndarray)):
            _put_array(group.id, key, value)
        else:
            _put_value(group.id, key, value)


# Arrays and values are put by HDF5's own calls: h5py's, which do more, take three times as long.
def _put_array(group: h5g.GroupID, key: str, value: Tensor | np.ndarray) -> None:
    order = list(range(value.ndim))
    if isinstance(value, Tensor):
        tensor = value.detach().cpu()
        # The order in memory is kept: a product with a transposed matrix may differ in its last bits.
        order.sort(key=lambda i: -tensor.stride()[i])
        value = tensor.permute(order).numpy()
    array = np.ascontiguousarray(value).reshape(value.shape)
    dataset = h5d.create(group, key.encode(), _kind(array.dtype), _space(array), _plain())
    if array.size:
        dataset.write(h5s.ALL, h5s.ALL, array)
    _put_attribute(dataset, "crc32", np.array(zlib.crc32(array.data if array.size else b"")))
    if order != sorted(order):
        _put_attribute(dataset, "order", np.array(order))


def _put_value(group: h5g.GroupID, key: str, value: Any) -> None:
    if isinstance(value, (bool, int, float)):
        _put_attribute(group, key, np.array(value))
        return
    # Text has a fixed length, because HDF5 keeps no checksum of other text; ASCII stands for JSON.
    plain = isinstance(value, str)
    text = value if plain else json.dumps(value.value if isinstance(value, Json) else value)
    data = text.encode()
    kind = h5py.string_dtype("utf-8" if plain else "ascii", max(1, len(data)))
    _put_attribute(group, key, np.array(data, kind))


def _put_attribute(place: h5g.GroupID | h5d.DatasetID, key: str, value: np.ndarray) -> None:
    h5a.create(place, key.encode(), _kind(value.dtype), _space(value)).write(value)


def _kind(dtype: np.dtype) -> h5t.TypeID:
    if dtype.metadata is not None:  # a text's, whose encoding is no part of what makes two of them equal
        return h5t.py_create(dtype, logical=True)
    return _number(dtype)


@cache
def _number(dtype: np.dtype) -> h5t.TypeID:
    return h5t.py_create(dtype, logical=True)


def _space(array: np.ndarray) -> h5s.SpaceID:
    return h5s.create_simple(array.shape) if array.shape else _scalar()


@cache
def _scalar() -> h5s.SpaceID:
    return h5s.create(h5s.SCALAR)


@cache
def _plain() -> h5p.PropDCID:
    plan = h5p.create(h5p.DATASET_CREATE)
    plan.set_obj_track_times(False)  # the same tree gives the same bytes
    return plan


def _take(group: h5py.Group, only: Collection[str] | None = None) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for key in group.attrs:
        if only is None or unquote(key) in only:
            tree[shown(unquote(key))] = _take_value(group, key)
    for key, item in group.items():
        if only is None or unquote(key) in only:
            tree[shown(unquote(key))] = _take(item) if isinstance(item, h5py.Group) else _take_array(item)
    return tree


def _take_array(dataset: h5py.Dataset) -> Tensor:
    check_plain(dataset)
    array = np.ascontiguousarray(dataset[()])
    if zlib.crc32(array.data if array.size else b"") != int(dataset.attrs["crc32"]):
        raise Damaged(f"the checksum of {dataset.name} does not match")
    tensor = torch.from_numpy(array.reshape(dataset.shape)).clone()  # aligned as torch does it, so that bits agree
    return tensor.permute(*np.argsort(dataset.attrs["order"]).tolist()) if "order" in dataset.attrs else tensor


def _take_value(group: h5py.Group, key: str) -> Any:
    value = group.attrs[key]
    if isinstance(value, bytes):
        kind = h5py.check_string_dtype(group.attrs.get_id(key).dtype)
        return shown(value.decode() if kind.encoding == "utf-8" else json.loads(value))
    return shown(value.item() if isinstance(value, np.generic) else value)
