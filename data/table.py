"""Write a reference solution on a tensor grid as one small HDF5 file, together with its measured error."""

import hashlib
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def write(
    path: Path | str,
    axes: Mapping[str, Array],
    fields: Mapping[str, Array],
    *,
    error: float | Mapping[str, float],
    method: str,
    parameters: Mapping[str, object],
    mask: NDArray[np.bool_] | None = None,
    quantities: Mapping[str, float] | None = None,
    parts: Mapping[str, Mapping[str, Array]] | None = None,
) -> None:
    """Write coordinate axes and the fields on their tensor grid, replacing the file at `path` in one step.

    Errors are relative L2, of all fields or by field, where the largest counts for the table. Outside the mask
    fields hold NaN. Quantities are numbers computed from the same solution (with `NAME error`, their errors);
    a part is a group of arrays of one length, such as the values along a wall.
    """
    path = Path(path)
    shape = tuple(len(axis) for axis in axes.values())
    mask = np.ones(shape, dtype=bool) if mask is None else mask
    errors = dict(error) if isinstance(error, Mapping) else dict.fromkeys(fields, float(error))
    for name, field in fields.items():
        if field.shape != shape:
            raise ValueError(f"field {name!r} has shape {field.shape}, the axes {list(axes)} give {shape}")
        if not np.isfinite(field[mask]).all():
            raise ValueError(f"field {name!r} has values that are not finite")
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with h5py.File(temporary, "w") as file:
            for name, axis in axes.items():
                file.create_dataset(name, data=np.asarray(axis, dtype=np.float64))
            for name, field in fields.items():
                data = np.where(mask, np.asarray(field, dtype=np.float64), np.nan)
                file.create_dataset(name, data=data, chunks=shape, shuffle=True, compression=9)
            file.attrs["format"] = "pinnkit-reference"
            file.attrs["version"] = 1
            file.attrs["coordinates"] = json.dumps(list(axes))
            for part, arrays in (parts or {}).items():
                group = file.create_group(part)
                for name, array in arrays.items():
                    group.create_dataset(name, data=np.asarray(array, dtype=np.float64))
            file.attrs["error"] = max(errors.values())
            file.attrs["errors"] = json.dumps(errors)
            file.attrs["quantities"] = json.dumps(dict(quantities or {}))
            file.attrs["method"] = method
            file.attrs["parameters"] = json.dumps(dict(parameters))
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    list_checksum(path)


def list_checksum(path: Path) -> None:
    """Write the SHA-256 of a file to the list beside it, which readers compare."""
    listed = path.with_name("checksums.json")
    known = json.loads(listed.read_text()) if listed.exists() else {}
    known[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    temporary = listed.with_name(f"{listed.name}.{os.getpid()}.tmp")
    temporary.write_text(json.dumps(dict(sorted(known.items())), indent=1) + "\n")
    os.replace(temporary, listed)


def target(name: str) -> Path:
    """Where a script writes: in the folder that it is called with, beside itself unless given."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    if not folder.is_dir():
        raise SystemExit(f"{folder} is no folder: name the one to write to, or none to replace the files in data/")
    return folder / name


def relative(u: Array, v: Array) -> float:
    """Relative L2 distance of `u` from `v` over all grid values."""
    return float(np.linalg.norm(u - v) / np.linalg.norm(v))
