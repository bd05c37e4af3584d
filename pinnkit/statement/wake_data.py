"""Snapshots of the flow behind a cylinder: the project's own, or the file of the classical inverse problem."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np

from pinnkit.statement.symbolic.reference import data_file
from pinnkit.tools.checked import checked

KEYS = {"U_star": "(N, 2, T)", "p_star": "(N, T)", "t": "(T, 1)", "X_star": "(N, 2)"}


@checked
@dataclass(frozen=True, eq=False)
class Wake:
    """Snapshots of a plane flow: velocities u, v and pressure p, (N, T) each.

    Args:
        X: points (N, 2).
        t: times (T,).
        u: velocity along x.
        v: velocity along y.
        p: pressure.
        errors: relative L2 error by field, where measured.
        quantities: numbers of the whole flow, such as the drag.
    """

    X: np.ndarray
    t: np.ndarray
    u: np.ndarray
    v: np.ndarray
    p: np.ndarray
    errors: dict[str, float] = field(default_factory=dict)
    quantities: dict[str, float] = field(default_factory=dict)


@checked
def load_wake(path: str | Path | None = None) -> Wake:
    """Snapshots of the flow behind a cylinder of diameter 1 at Re = 100: 5000 points of [1, 8] x [-2, 2], 200 times.

    Args:
        path: a MATLAB file cylinder_nektar_wake.mat. Default None: the data of the project.

    Returns:
        The points, times, velocities and pressures.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a file of another kind, or arrays that do not fit together.

    Source:
        Raissi, Perdikaris, Karniadakis, J. Comput. Phys. 378 (2019), section 4.1.1.
    """
    path = data_file("wake.h5") if path is None else Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    return _own(path) if h5py.is_hdf5(path) else _classical(path)


def _own(path: Path) -> Wake:
    with h5py.File(path) as file:
        if file.attrs.get("format") != "pinnkit-wake":
            raise ValueError(f"{path} is an HDF5 file, but holds no wake: expected data/wake.h5 or a MATLAB 5 file")
        # Each table is a truncated singular value decomposition: points by modes times modes by times.
        u, v, p = (file[f"{n}_points"][:].astype(float) @ file[f"{n}_times"][:].astype(float) for n in "uvp")
        numbers = (json.loads(file.attrs[name]) for name in ("errors", "quantities"))
        return Wake(file["X"][:], file["t"][:], u, v, p, *numbers)


def _classical(path: Path) -> Wake:
    from scipy.io import loadmat  # slow to load, and seldom needed

    try:
        content = loadmat(path, variable_names=list(KEYS))
    except (ValueError, TypeError, NotImplementedError) as error:
        raise ValueError(f"{path} cannot be read as a MATLAB file ({error}): expected arrays {_expected()}") from error
    missing = [key for key in KEYS if key not in content]
    if missing:
        raise ValueError(f"{path} lacks {', '.join(missing)}: expected arrays {_expected()}")
    U, p, t, X = (np.asarray(content[key], dtype=float) for key in KEYS)
    n, times = len(X), t.size
    if U.shape != (n, 2, times) or p.shape != (n, times) or X.shape != (n, 2):
        shapes = ", ".join(f"{key} {content[key].shape}" for key in KEYS)
        raise ValueError(f"{path} holds {shapes}: expected {_expected()}")
    return Wake(X, t.ravel(), np.ascontiguousarray(U[:, 0]), np.ascontiguousarray(U[:, 1]), p)


def _expected() -> str:
    return ", ".join(f"{key} {shape}" for key, shape in KEYS.items())
