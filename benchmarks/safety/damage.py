"""Ways to damage a run file: its bytes, its structure, its texts, what it claims; and what reading it then does."""

import hashlib
import json
import random
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from torch import Tensor

from pinnkit.domain.point_set import PointSet

EVIL = ("evil.py", "evil", "{here}/evil.py", "/dev/zero", "../../etc/passwd", "__import__('evil')", "evil:problem")
VALUES = (None, True, -1, 10**12, 1e308, float("nan"), "", "x" * 10_000, [], {}, [[]], {"class": "Fourier"}, "é\x1b[2J")


def set_text(group: h5py.Group, name: str, data: bytes, plain: bool) -> None:
    """Replace an attribute by text as pinnkit writes it: plain, or JSON."""
    kind = h5py.string_dtype("utf-8" if plain else "ascii", max(1, len(data)))
    del group.attrs[name]
    group.attrs.create(name, np.array(data, kind), dtype=kind)


def texts(h5: h5py.File) -> list[tuple[str, str, bytes, bool]]:
    """Every attribute that holds text: group, name, its bytes, whether plain."""
    found = []

    def look(name: str, item: h5py.Group | h5py.Dataset) -> None:
        for key in item.attrs:
            if isinstance(value := item.attrs[key], (bytes, str)):
                plain = h5py.check_string_dtype(item.attrs.get_id(key).dtype).encoding == "utf-8"
                found.append((name, key, value.encode() if isinstance(value, str) else value, plain))

    look("/", h5)
    h5.visititems(look)
    return found


def mutated(value: object, evil: object, whole: bool = False) -> Iterator[object]:
    """The JSON value with one text in it, key or value, replaced; with ``whole`` also anything else in it."""
    if whole or isinstance(value, str):
        yield evil
    for i, item in enumerate(value) if isinstance(value, list) else ():
        for other in mutated(item, evil, whole):
            yield [*value[:i], other, *value[i + 1 :]]
    for key in value if isinstance(value, dict) else ():
        yield {str(evil) if k == key else k: v for k, v in value.items()}
        for other in mutated(value[key], evil, whole):
            yield value | {key: other}


def links(h5: h5py.File) -> None:
    """A tree in which every path of 8 steps leads to the same groups: 20^8 of them."""
    group = h5.create_group("zz0")
    for i in range(1, 9):
        following = h5.create_group(f"zz{i}")
        for j in range(20):
            group[str(j)] = following
        group = following


def compressed(h5: h5py.File) -> None:
    """5 GB of zeros in a few bytes."""
    data = h5.create_dataset("q", shape=(6 * 10**8,), dtype="f8", chunks=(10**7,), compression="gzip")
    data.id.write_direct_chunk((0,), zlib.compress(bytes(8 * 10**7), 9))


def unallocated(h5: h5py.File) -> None:
    """5 GB that were never written."""
    name = _array(h5)
    del h5[name]
    h5.create_dataset(name, shape=(6 * 10**8,), dtype="f8").attrs["crc32"] = 0


def chunked(h5: h5py.File) -> None:
    """An array compressed."""
    name = _array(h5)
    data, crc = h5[name][()], h5[name].attrs.get("crc32", 0)
    del h5[name]
    h5.create_dataset(name, data=data, compression="gzip").attrs["crc32"] = crc


def external(h5: h5py.File) -> None:
    """An array that stands in another file."""
    name = _array(h5)
    del h5[name]
    h5.create_dataset(name, shape=(17,), dtype="f8", external=[("/etc/hostname", 0, h5py.h5f.UNLIMITED)])


def _array(h5: h5py.File) -> str:
    """The parameters of a run; of another file its first array."""
    names: list[str] = []
    h5.visit(names.append)
    return "theta" if "theta" in names else next(n for n in names if isinstance(h5[n], h5py.Dataset) and h5[n].shape)


def virtual(h5: h5py.File) -> None:
    """An array that is a view of another file's."""
    layout = h5py.VirtualLayout(shape=(17,), dtype="f8")
    layout[:] = h5py.VirtualSource("elsewhere.h5", "theta", shape=(17,))
    h5.create_virtual_dataset("q", layout)


BOMBS: tuple[Callable[[h5py.File], None], ...] = (links, compressed, unallocated, chunked, external, virtual)


def harm_bytes(path: Path, rng: random.Random) -> str:
    """Flip bits, overwrite, cut, extend or move bytes."""
    data = bytearray(path.read_bytes())
    n, kind = len(data), rng.choice(["bits", "block", "cut", "zeros", "append", "swap"])
    at, size = rng.randrange(n), min(n // 2, int(2 ** rng.uniform(0, 13)))
    if kind == "bits":
        for _ in range(rng.choice([1, 1, 1, 3, 30])):
            data[rng.randrange(n)] ^= 1 << rng.randrange(8)
    elif kind == "block":
        data[at : at + size] = rng.randbytes(len(data[at : at + size]))
    elif kind == "cut":
        del data[at:]
    elif kind == "zeros":
        data[at : at + size] = bytes(len(data[at : at + size]))
    elif kind == "append":
        data += rng.randbytes(size)
    else:
        a, b = rng.randrange(n - size), rng.randrange(n - size)
        data[a : a + size], data[b : b + size] = data[b : b + size], data[a : a + size]
    path.write_bytes(data)
    return kind


def harm_structure(path: Path, rng: random.Random) -> str:
    """Remove, rename, replace, retype, link or copy an object or a value of the file, checksums kept in order."""
    if path.suffix == ".json":
        return _harm_json(path, rng, rng.choice(VALUES))
    with h5py.File(path, "r+") as h5:
        names: list[str] = []
        h5.visit(names.append)
        kind = rng.choice(["remove", "rename", "array", "value", "attribute", "copy", "link", "bomb"])
        name = rng.choice(names)
        if kind == "remove":
            del h5[name]
        elif kind == "rename":
            with suppress(ValueError):  # not under a group of itself
                h5.move(name, rng.choice([f"{name}x", rng.choice(names) + "/y"]))
        elif kind == "array":
            shape = rng.choice([(), (0,), (3,), (2, 5), (1, 1, 1), (10**5,)])
            dtype = rng.choice(["f8", "f4", "i8", "u1", "c16", "S3", "f2", "?"])
            _replace(h5, rng.choice([n for n in names if isinstance(h5[n], h5py.Dataset)]), np.zeros(shape, dtype))
        elif kind == "value":
            name = rng.choice([n for n in names if isinstance(h5[n], h5py.Dataset)])
            array = h5[name][()]
            array.flat[rng.randrange(max(1, array.size))] = rng.choice([0, 1, 200]) if array.size else 0
            _replace(h5, name, np.asarray(array, h5[name].dtype).reshape(h5[name].shape))
        elif kind == "attribute":
            group, key, *_ = rng.choice(texts(h5))
            h5[group].attrs[key] = rng.choice([1, 2.5, np.arange(3), "text", h5py.Empty("f8"), b"\xff\xfe"])
        elif kind == "copy":
            h5.copy(name, f"{rng.choice([n for n in names if isinstance(h5[n], h5py.Group)] or [''])}/copied")
        elif kind == "link":
            h5["linked"] = rng.choice([h5py.SoftLink(f"/{name}"), h5py.ExternalLink("run.h5", "/"), h5[name]])
        else:
            rng.choice(BOMBS)(h5)
    return kind


def _replace(h5: h5py.File, name: str, array: np.ndarray) -> None:
    del h5[name]
    array = np.ascontiguousarray(array)
    h5.create_dataset(name, data=array).attrs["crc32"] = zlib.crc32(array.tobytes())


def harm_text(path: Path, rng: random.Random) -> str:
    """Let one text aim at a planted file, or put something else in its place."""
    if path.suffix == ".json":
        return _harm_json(path, rng, rng.choice(EVIL).format(here=path.parent))
    with h5py.File(path, "r+") as h5:
        group, key, data, plain = rng.choice(texts(h5))
        evil = rng.choice(EVIL).format(here=path.parent)
        if plain:
            set_text(h5[group], key, evil.encode(), plain)
            return f"{group}/{key}"
        if rng.random() < 0.3:
            evil = rng.choice([{"catalogue": evil}, {"class": evil}, {"class": "function", "name": evil}])
        new: Any = evil if rng.random() < 0.6 else rng.choice(VALUES)
        choices = list(mutated(json.loads(data), new, whole=True))
        set_text(h5[group], key, json.dumps(rng.choice(choices)).encode(), plain)
    return f"{group}/{key}"


def _harm_json(path: Path, rng: random.Random, new: Any) -> str:
    """Put something in the place of a part of a JSON file, at a random depth."""
    whole = at = json.loads(path.read_text())
    while True:
        keys = list(at) if isinstance(at, dict) else range(len(at))
        key = rng.choice(list(keys))
        if not isinstance(at[key], (dict, list)) or not at[key] or rng.random() < 0.1:
            break
        at = at[key]
    at[key] = new
    path.write_text(json.dumps(whole))
    return f"json {key}"


HARMS = {"bytes": harm_bytes, "structure": harm_structure, "texts": harm_text}


def told(value: Any) -> str:
    """A checksum of a value to the last bit: tensors, arrays, mappings, lists, objects with such attributes."""
    found = hashlib.sha256()

    def add(v: Any) -> None:
        if isinstance(v, Tensor):
            v = v.detach().contiguous().numpy()
        if isinstance(v, np.ndarray):
            found.update(repr((v.dtype, v.shape)).encode() + np.ascontiguousarray(v).tobytes())
        elif isinstance(v, Mapping):
            for k in sorted(v, key=str):
                found.update(str(k).encode())
                add(v[k])
        elif isinstance(v, PointSet):
            add(vars(v))
        elif isinstance(v, (list, tuple)):
            for item in v:
                add(item)
        else:
            found.update(repr(v).encode())

    add(value)
    return found.hexdigest()


def digest(s: Any) -> str:
    """A checksum of all that a loaded solution holds and says."""
    at = s.progress
    return told([
        [s.theta, dict(s.weights), s.stops, s.notes, dict(s.versions)],
        [repr(s.network), s.model.hard, s.problem.latex()],
        dict(s.points),
        {n: list(s.history[n]) for n in s.history.columns if not n.endswith("_s")},  # of a run gone on with
        [(r.name, str(r.expression)) for r in s.problem.residuals],
        s(s.problem.domain.sample(20, seed=5)),
        [] if at is None else [repr(at.plan), at.stage, at.total, at.round, at.state or {}],
    ])  # fmt: skip
