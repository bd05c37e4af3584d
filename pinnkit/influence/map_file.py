"""Influence maps: an attribution in an HDF5 file, for other tools to read, and back."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from pinnkit.domain.point_set import PointSet
from pinnkit.statement.points import Points
from pinnkit.tools import hdf5
from pinnkit.tools.checked import checked
from pinnkit.tools.hdf5 import Json

from .attribution import Attribution

FORMAT, VERSION = "pinnkit-influence", 1
_TEXTS = ("names", "coordinates", "notes")


@checked
def save_map(found: Attribution, path: str | Path) -> Path:
    """Write an attribution to one HDF5 file: /effects/TERM and /joint/SET (K, N), /points/SET/X (N, d), /values (K,).

    Args:
        found: the attribution.
        path: the file, usually with the suffix .h5.

    Returns:
        The path.

    Raises:
        OSError: a missing folder or a full disk. A file that was there stays.

    Example:
        >>> import tempfile
        >>> import pinnkit as pk
        >>> u = pk.solve(pk.problem("heat"), pk.MLP(2, 4, 1), 30, stages=[pk.LevenbergMarquardt(10)], progress=False)
        >>> found = pk.Influence(u).attribute(pk.at("u", x=0.5, t=0.05))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     pk.load_map(pk.save_map(found, f"{folder}/map.h5")).names
        ('u at x=0.5, t=0.05',)
    """
    tree: dict[str, Any] = {name: Json(list(getattr(found, name))) for name in _TEXTS}
    tree |= {"convention": found.convention, "curvature": found.curvature, "keys": Json(dict(found.keys))}
    tree |= {"terms": Json(list(found.effects)), "sets": Json(list(found.joint)), "values": found.values}
    tree |= {"effects": dict(found.effects), "joint": dict(found.joint)}
    tree |= {"points": {key: _points_tree(found.points[key]) for key in found.points}}
    return hdf5.write(path, FORMAT, VERSION, tree | ({} if found.places is None else {"places": found.places}))


@checked
def load_map(path: str | Path) -> Attribution:
    """Read an attribution from a file of :func:`save_map`, with all its effects (K, N).

    Args:
        path: the file.

    Returns:
        The attribution, on the CPU.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a damaged or foreign file, or one of a later version.

    Example:
        >>> import tempfile
        >>> import pinnkit as pk
        >>> u = pk.solve(pk.problem("heat"), pk.MLP(2, 4, 1), 30, stages=[pk.LevenbergMarquardt(10)], progress=False)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pk.save_map(pk.Influence(u).attribute(pk.at("u", x=0.5, t=0.05)), f"{folder}/map.h5")
        ...     pk.load_map(path).convention
        'fixed'
    """
    tree = hdf5.read(path, FORMAT, VERSION)
    with hdf5.as_written(path, "pinnkit.save_map"):
        return Attribution(
            names=tuple(tree["names"]),
            values=tree["values"],
            effects={name: tree["effects"][name] for name in tree["terms"]},
            joint={key: tree["joint"][key] for key in tree["sets"]},
            points=Points({key: _points(own) for key, own in tree["points"].items()}),
            keys=tree["keys"],
            convention=tree["convention"],
            curvature=tree["curvature"],
            notes=tuple(tree["notes"]),
            coordinates=tuple(tree["coordinates"]),
            places=tree.get("places"),
        )


def _points_tree(points: PointSet) -> dict[str, Any]:
    tree = {"X": points.X, "columns": points.columns, "image": points.image, "weights": points.weights}
    return {name: value for name, value in tree.items() if value is not None}


def _points(tree: Mapping[str, Any]) -> PointSet:
    columns: Mapping[str, torch.Tensor] = tree["columns"]
    return PointSet(tree["X"], columns, tree.get("image"), tree.get("weights"))
