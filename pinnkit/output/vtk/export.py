"""VTK files for ParaView: solutions on a mesh or its boundary, time series, training points with their influence."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from xml.sax.saxutils import quoteattr

import numpy as np
import torch
from torch import Tensor

from pinnkit.domain.mesh import Mesh, boundary_mesh, mesh
from pinnkit.domain.point_set import PointSet
from pinnkit.influence.attribution import Attribution
from pinnkit.model.march import March
from pinnkit.model.solution import Solution
from pinnkit.tools.atomic_file import check, put
from pinnkit.tools.checked import Count, Finite, checked
from pinnkit.tools.memory import afford

from .xml_file import write_vtk

STEPS = 21  # of a time series, unless told otherwise


@checked
def export_vtk(
    solution: Solution | March,
    path: str | Path,
    names: str = "",
    *,
    vectors: Mapping[str, str] | None = None,
    times: Count | Sequence[Finite] = STEPS,
    nodes: Count | None = None,
    error: bool = False,
    on: Mesh | None = None,
) -> Path:
    """Write the fields of a solution at the nodes of a mesh of its domain to a VTK file, for ParaView.

    In two and three space dimensions time makes a series: NAME.pvd lists NAME-0000.vtu and so on. In one space
    dimension time is the second axis, and without space the only one. Derived quantities are written too.

    Args:
        solution: a trained solution.
        path: the file. .vtu: the domain. .vtp: its boundary only.
        names: derivatives to add, as "u_x u_xx". Default "": none.
        vectors: vectors to add, as ``{"velocity": "u v"}``. Default None.
        times: number of times, evenly spaced, or the times. One time gives one file. Default 21.
        nodes: about how many nodes the mesh has. Default None: chosen by the dimension.
        error: True: add the predicted error of every field (:func:`error_map`). Default False.
        on: the mesh to use. Default None: one is made.

    Returns:
        The path of the file to open.

    Raises:
        ValueError: unknown names, times outside the domain, another suffix.
        OSError: the file cannot be written. A file that was there stays.

    Example:
        >>> import tempfile
        >>> import pinnkit as pk
        >>> u = pk.solve(pk.problem("heat"), pk.MLP(2, 8, 1), 50, stages=[pk.Adam(5)], progress=False)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     pk.export_vtk(u, f"{folder}/heat.vtp", nodes=100).name
        'heat.vtp'
    """
    path, domain = _checked(path, (".vtu", ".vtp", ".pvd")), solution.problem.domain
    grid = mesh(domain, nodes) if on is None else on
    suffix = ".vtu" if path.suffix == ".pvd" else path.suffix
    if suffix == ".vtp":
        grid = boundary_mesh(grid)
    columns = _columns(solution, names, vectors or {}, error)
    if domain.time is None or grid.X.shape[1] == len(domain.names):
        steps: list[float] = [0.0]
    else:
        steps = _steps(times, *domain.bounds[:, domain.names.index(domain.time)].tolist())
    files = [path.with_suffix(suffix)]
    if len(steps) > 1:
        files = [path.with_name(f"{path.stem}-{i:04d}{suffix}") for i in range(len(steps))]
    for file, t in zip(files, steps, strict=True):
        write_vtk(file, grid, columns(_places(solution, grid, t)))
    if len(steps) == 1:
        return files[0]
    series = path.with_suffix(".pvd")
    put(series, lambda partial: partial.write_text(_list(files, steps), encoding="utf-8"))
    return series


@checked
def export_points(solution: Solution, path: str | Path, found: Attribution | None = None) -> Path:
    """Write the training points with their weights and residuals to a VTK file, for ParaView.

    Columns: ``set`` (number of the point set), coordinates by name, ``weight``, ``residual TERM``, and with an
    attribution ``influence on ...``. NaN stands where a set does not have a term. Time is the last axis where space has
    fewer than three dimensions.

    Args:
        solution: a trained solution.
        path: the file, .vtp or .vtu.
        found: effects of removing points (:meth:`Influence.attribute`). Default None: no such columns.

    Returns:
        The path.

    Raises:
        TypeError: ``found`` is no attribution.
        ValueError: the attribution of other points, or another suffix.
        OSError: the file cannot be written. A file that was there stays.

    Example:
        >>> import tempfile
        >>> import pinnkit as pk
        >>> u = pk.solve_lie(pk.problem("heat"), progress=False)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     pk.export_points(u, f"{folder}/points.vtp").name
        'points.vtp'
    """
    path, domain, stack = _checked(path, (".vtp", ".vtu")), solution.problem.domain, solution.stack
    keys = list(stack.programs)
    sets = [stack.points[key] for key in keys]
    if found is not None and not isinstance(found, Attribution):
        raise TypeError(f"found is of type {type(found).__name__}: give what Influence(...).attribute(...) returns")
    if found is not None and not all(_same(found.points.get(key), own) for key, own in zip(keys, sets, strict=True)):
        raise ValueError("the attribution is of other points: give one of this solution")
    X = np.concatenate([_numbers(own.X) for own in sets])
    data: dict[str, np.ndarray] = {"set": np.repeat(np.arange(len(keys)), [len(own) for own in sets])}
    data |= {name: X[:, i] for i, name in enumerate(domain.names)}
    weights = [torch.ones(len(own)) if own.weights is None else own.weights for own in sets]
    data["weight"] = np.concatenate([_numbers(w) for w in weights])
    for term, r in stack.by_term(stack.values(solution.theta)).items():
        column = np.full(len(X), np.nan)
        column[data["set"] == keys.index(stack.keys[term])] = _numbers(r)
        data[f"residual {term}"] = column
    if found is not None:
        for i, name in enumerate(found.names):
            data[f"influence on {name}"] = np.concatenate([_numbers(found.joint[key][i]) for key in keys])
    if domain.time is not None:
        i = domain.names.index(domain.time)
        X = np.column_stack([np.delete(X, i, 1), X[:, i]])[:, :3]
    write_vtk(path, Mesh(X, np.arange(len(X))[:, None], "vertex"), data)
    return path


# ------------------------------------------------------------------------------------------------------ parts


def _checked(path: str | Path, suffixes: Sequence[str]) -> Path:
    path = Path(path)
    if path.suffix not in suffixes:
        raise ValueError(f"{path}: give a file that ends in {', '.join(suffixes[:-1])} or {suffixes[-1]}")
    check(path)
    return path


def _columns(
    solution: Solution | March, names: str, vectors: Mapping[str, str], error: bool
) -> Callable[[Tensor], dict[str, np.ndarray]]:
    """What is written at points X, as a function of them; ValueError for unknown names, before any work."""
    wanted = dict.fromkeys((*solution.problem.outputs, *_split(names)))
    groups = {name: (name,) for name in wanted} | {name: tuple(_split(text)) for name, text in vectors.items()}
    for name, parts in groups.items():
        if name in wanted and name in vectors:
            raise ValueError(f"the vector {name!r} has the name of a field or derivative: give it another one")
        if name not in wanted and not 1 < len(parts) < 4:
            raise ValueError(f"the vector {name!r} is {vectors[name]!r}: give two or three fields or derivatives")
    used = list(dict.fromkeys(part for group in groups.values() for part in group))
    expressions = [solution.derivative(part) for part in used]
    found = None
    if error:
        from pinnkit.error.estimator import error_map

        found = error_map(solution)

    def columns(X: Tensor) -> dict[str, np.ndarray]:
        values = dict(zip(used, _numbers(solution.evaluate(expressions, X)).T, strict=True))
        data = {name: values[name] for name in wanted}
        data |= {name: _padded(np.stack([values[p] for p in groups[name]], 1)) for name in vectors}
        if found is not None:
            e = _numbers(found.error(X))
            data |= {f"predicted error of {u}": e[:, i] for i, u in enumerate(solution.problem.field_names)}
        return data

    return columns


def _split(text: str) -> list[str]:
    return text.replace(",", " ").split()


def _places(solution: Solution | March, grid: Mesh, t: float) -> Tensor:
    """The nodes as points (n, d) of the domain, at time t where they have none."""
    domain = solution.problem.domain
    if grid.X.shape[1] == len(domain.names):
        return torch.as_tensor(grid.X)
    if domain.time is None or grid.X.shape[1] != len(domain.space):
        raise ValueError(f"the mesh has {grid.X.shape[1]} coordinates, the domain has {', '.join(domain.names)}")
    i = domain.names.index(domain.time)
    return torch.as_tensor(np.insert(grid.X, i, t, axis=1))


def _steps(times: int | Sequence[float], start: float, end: float) -> list[float]:
    if isinstance(times, int):
        if times < 1:
            raise ValueError(f"times={times}: give a number of steps of at least 1, or the times themselves")
        afford(100 * times, f"a series of {times} steps", "give fewer")
        return np.linspace(start, end, times).tolist() if times > 1 else [end]
    steps = [float(t) for t in times]
    wrong = [t for t in steps if not start <= t <= end]
    if wrong or not steps:
        raise ValueError(f"times {steps}: expected some between {start:g} and {end:g}")
    return steps


def _list(files: Sequence[Path], steps: Sequence[float]) -> str:
    """ParaView's list of the files of a series."""
    lines = [f'    <DataSet timestep="{t!r}" file={quoteattr(f.name)}/>' for f, t in zip(files, steps, strict=True)]
    return "\n".join(
        ['<?xml version="1.0"?>', '<VTKFile type="Collection" version="0.1">', "  <Collection>", *lines,
         "  </Collection>", "</VTKFile>", ""]
    )  # fmt: skip


def _padded(X: np.ndarray) -> np.ndarray:
    """Places in three dimensions, which VTK has always."""
    return np.ascontiguousarray(np.pad(X, ((0, 0), (0, 3 - X.shape[1]))))


def _same(points: PointSet | None, own: PointSet) -> bool:
    return points is not None and np.array_equal(_numbers(points.X), _numbers(own.X))


def _numbers(values: Tensor) -> np.ndarray:
    return values.detach().cpu().double().numpy()
