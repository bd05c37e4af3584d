"""Write a reference solution on a tensor grid as one small HDF5 file, together with its measured error."""

import json
import os
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
    error: float,
    method: str,
    parameters: Mapping[str, object],
) -> None:
    """Write coordinate axes and the fields on their tensor grid, replacing the file at `path` in one step."""
    path = Path(path)
    shape = tuple(len(axis) for axis in axes.values())
    for name, field in fields.items():
        if field.shape != shape:
            raise ValueError(f"field {name!r} has shape {field.shape}, the axes {list(axes)} give {shape}")
        if not np.isfinite(field).all():
            raise ValueError(f"field {name!r} has values that are not finite")
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with h5py.File(temporary, "w") as file:
            for name, axis in axes.items():
                file.create_dataset(name, data=np.asarray(axis, dtype=np.float64))
            for name, field in fields.items():
                data = np.asarray(field, dtype=np.float64)
                file.create_dataset(name, data=data, chunks=shape, shuffle=True, compression=9)
            file.attrs["format"] = "pinnkit-reference"
            file.attrs["version"] = 1
            file.attrs["coordinates"] = json.dumps(list(axes))
            file.attrs["error"] = float(error)
            file.attrs["method"] = method
            file.attrs["parameters"] = json.dumps(dict(parameters))
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def relative(u: Array, v: Array) -> float:
    """Relative L2 distance of `u` from `v` over all grid values."""
    return float(np.linalg.norm(u - v) / np.linalg.norm(v))
