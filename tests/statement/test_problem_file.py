"""Run files hold the statement of their problem: what comes back is the same problem, and nothing is run for it."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import sympy as sp
import torch
from catalogue import CASES

import pinnkit as pk
from pinnkit.domain.geometry import Geometry
from pinnkit.output.deepxde.deepxde_conditions import geometry_of
from pinnkit.output.deepxde.to_deepxde import import_deepxde
from pinnkit.statement import problem_file
from pinnkit.tools import hdf5
from pinnkit.training.recipe import default_recipe

dde = import_deepxde().geometry
x, t = pk.coordinates("x t")
u = pk.field("u", x, t)
nu = sp.Symbol("nu")


def returned(problem: pk.Problem, path: Path) -> pk.Problem:
    """The problem after a way through a file."""
    held = problem_file.contents(problem)
    assert "lacking" not in held, held
    hdf5.write(path, "test", 1, held)
    return problem_file.problem_from(hdf5.read(path, "test", 1))


def drawn(problem: pk.Problem) -> list[Any]:
    """Points of all sets, and all that comes with them."""
    sets = {key: problem.sample(key, 40, seed=2) for key in problem.keys}
    return [v for s in sets.values() for v in (s.X, s.image, s.weights, *s.columns.values()) if v is not None]


def check_same(a: pk.Problem, b: pk.Problem) -> None:
    """Residual functions, weights, domain, points, reference, recipe, and fields under constraints, bit for bit."""
    assert a.residuals == b.residuals and a.weights == b.weights and a.derived == b.derived
    assert (a.name, a.fields, a.parameters, a.unknowns) == (b.name, b.fields, b.parameters, b.unknowns)
    assert a.ansatz == b.ansatz and a.weight == b.weight
    one, other = map(default_recipe, (a, b))
    assert replace(one, stages=tuple(one.stages)) == replace(other, stages=tuple(other.stages))
    assert a.domain.names == b.domain.names and a.domain.faces == b.domain.faces and a.domain.time == b.domain.time
    for one, other in zip(drawn(a), drawn(b), strict=True):
        assert torch.equal(one, other)
    if a.reference is not None:
        names = tuple(a.outputs)
        (axes, *values), (again, *back) = (p.reference.on_grid(p.domain, names) for p in (a, b))
        assert list(axes) == list(again) and all(np.array_equal(axes[n], again[n]) for n in axes)
        assert all(torch.equal(v.nan_to_num(9.0), w.nan_to_num(9.0)) for v, w in zip(values, back, strict=True))
        assert a.reference.error == b.reference.error
    X = a.domain.sample(30, seed=1)
    one, other = (pk.Model(p, pk.MLP(len(p.variables), 5, len(p.fields)), False) for p in (a, b))
    theta = one.initial(3)
    values = [pk.Solution(m, theta, pk.Points({})).evaluate(list(a.outputs.values()), X) for m in (one, other)]
    assert torch.equal(*values)


SLOW = ("wake", "beltrami", "cavity sharp velocity", "cavity regularised velocity", "taylor_green stream")


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in CASES])
def test_problems_of_the_catalogue_come_back(name: str, tmp_path: Path) -> None:
    problem = CASES[name]()
    if name.startswith("cylinder"):
        assert "function that chooses the boundary part 'inflow'" in problem_file.contents(problem)["lacking"]
        return
    back = returned(problem, tmp_path / "statement.h5")
    check_same(problem, back)
    assert problem_file.contents(back)["record"] == problem_file.contents(problem)["record"]


def heat(**changes: Any) -> pk.Problem:
    """A problem of one's own with a bit of everything."""
    data = torch.rand(7, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    stated = {
        "name": "mine", "fields": u, "equations": sp.Eq(u.diff(t), sp.Symbol("k") * u.diff(x, 2) + nu * u),
        "domain": pk.Box(x=(0, 1), t=(0, 1)), "parameters": {"nu": 0.1}, "unknowns": {"k": 0.3},
        "conditions": [
            pk.Initial(u, sp.Piecewise((x, x < sp.Rational(1, 2)), (1 - x, True))),
            pk.Dirichlet(u, sp.Float("0.1", 30) * t, on="x_min", weight=2),
            pk.Robin(u, 1, sp.exp(-t), 0, on=("x_max",)),
            pk.Observations(u * 2, data, data[:, 0]),
        ],
        "reference": pk.Computed(lambda X: X[:, :1] * 0.5, 1e-3), "derived": {"flux": -u.diff(x)},
        "weight": 1 + sp.Max(x, t),
    }  # fmt: skip
    return pk.Problem(**(stated | changes))


def test_problems_of_ones_own_come_back(tmp_path: Path) -> None:
    check_same(heat(), back := returned(heat(), tmp_path / "statement.h5"))
    assert isinstance(back.conditions[3], pk.Observations) and torch.equal(back.conditions[3].X, heat().conditions[3].X)
    closed = heat(reference=pk.Exact({u: nu * sp.Heaviside(x - t)}, {"nu": 2.0}, 0.5))
    assert returned(closed, tmp_path / "closed.h5").reference.solution == closed.reference.solution
    kept = (x + 1) * sp.Mul(2, sp.Add(1, 1, evaluate=False), evaluate=False)  # SymPy would make 4 x + 4 of it
    odd = heat(equations=u.diff(t) - pk.divergence(sp.Piecewise((1, x < 0.3), (2, True)), u) - kept, unknowns={},
               conditions=[pk.Initial(u, kept), pk.Neumann(u, 0)])  # fmt: skip
    check_same(odd, returned(odd, tmp_path / "odd.h5"))


DISK, HOLE = dde.Disk([0, 0], 2), dde.Rectangle([-0.5, -0.5], [0.5, 0.7])
POLYGON = dde.Polygon([[0, 0], [0, 2], [1, 1], [2, 2], [2, 0]])


@pytest.mark.filterwarnings("ignore:Arrays of 2-dimensional vectors")  # DeepXDE's own
@pytest.mark.parametrize(
    "domain",
    [
        Geometry(DISK - HOLE, parts={"hole": HOLE, "outer": DISK}),
        Geometry(DISK - HOLE, parts={"other": dde.Disk([0, 0], 2)}),
        Geometry(POLYGON, time=(0, 2)),
        Geometry(dde.Ellipse([1, 0], 2, 1, 0.3) & dde.StarShaped([1, 0], 1, [0.2, 0.1], [0.0, 0.1])),
        Geometry(dde.Disk([0, 0], 1) | dde.Disk([3, 0], 1), ("p", "q"), time=(1, 2), time_name="s"),
        Geometry(dde.Sphere([0, 0, 0], 1)),
        pk.Box.of({"y": (0, 1), "t": (0, 2)}, time=None),
        pk.Box.of({"s": (0, 1), "x": (0, 2)}, time="s"),
    ],
)
def test_domains_come_back(domain: Any, tmp_path: Path) -> None:
    variables = pk.coordinates(" ".join(domain.names))
    v = pk.field("v", *variables)
    equation = v + sum(v.diff(s) if s.name == domain.time else -v.diff(s, 2) for s in variables)
    ends = [pk.Initial(v, 0)] if domain.time else []
    faces = domain.faces[:1] if isinstance(domain, Geometry) else ()
    walls = [pk.Dirichlet(v, i, on=face) for i, face in enumerate(faces)] or [pk.Dirichlet(v, 0)]
    problem = pk.Problem("body", v, equation, domain, [*ends, *walls])
    back = returned(problem, tmp_path / "body.h5")
    check_same(problem, back)
    assert back.domain.measure("boundary") == domain.measure("boundary")
    if not isinstance(domain, pk.Box):
        shape = geometry_of(import_deepxde(), back)
        shape = getattr(shape, "geometry", shape)
        inside = domain.sample(50)[:, : shape.dim].numpy()
        assert shape.inside(inside).all() and not shape.inside(inside + 9).any()


def solved(problem: pk.Problem, path: Path) -> pk.Solution:
    settings = {"stages": [pk.Adam(3)], "progress": False, "resample": None, "checkpoint": path}
    return pk.solve(problem, pk.MLP(2, 4, 1), 20, **settings)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    solved(heat(), path := tmp_path_factory.mktemp("runs") / "run.h5")
    return path


def test_a_run_of_ones_own_problem_opens_alone(tmp_path: Path) -> None:
    path = tmp_path / "run.h5"
    solution = solved(heat(), path)
    back = pk.load(path)
    X = torch.rand(9, 2, dtype=torch.float64)
    assert torch.equal(back(X), solution(X)) and back.errors() == solution.errors()
    assert back.unknowns == solution.unknowns
    pk.save(back, tmp_path / "again.h5")
    with h5py.File(path) as one, h5py.File(tmp_path / "again.h5") as other:
        assert one["problem/statement"].attrs["record"] == other["problem/statement"].attrs["record"]
    assert pk.resume(back, progress=False).progress.total == 3


def test_a_problem_called_as_one_of_the_catalogue_is_its_own(tmp_path: Path) -> None:
    solved(heat(name="burgers"), tmp_path / "run.h5")
    assert list(pk.load(tmp_path / "run.h5").problem.unknowns) == ["k"]


def source(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return a * b


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"equations": u.diff(t) - nu * sp.Symbol("k") * u.diff(x, 2) - pk.function(source)(x, t)},
         "the Python function 'source' in 'pde'"),
        ({"conditions": [pk.Initial(u, source), *heat().conditions[1:]]},
         "the Python function 'source' in 'u initial'"),
        ({"recipe": pk.Recipe(pk.Module(torch.nn.Linear(2, 1)))}, "Module in its recipe"),
        ({"domain": Geometry(dde.Interval(0, 1), ("x",), time=(0, 1), parts={"x_min": lambda X: X[:, 0] < 0.1}),
          "conditions": [*heat().conditions[:2], heat().conditions[3]]},
         "the Python function that chooses the boundary part 'x_min'"),
    ],
)  # fmt: skip
def test_what_no_file_can_hold_is_named(changes: dict, sentence: str, tmp_path: Path) -> None:
    problem = heat(unknowns={"k": 1.0}, **({"equations": u.diff(t) - nu * sp.Symbol("k") * u.diff(x, 2)} | changes))
    pk.save(pk.Solution(pk.Model(problem, pk.MLP(2, 3, 1), False), torch.zeros(14).double(), points_of(problem)),
            tmp_path / "run.h5")  # fmt: skip
    with pytest.raises(ValueError, match=f"solves 'mine', and does not hold {sentence}: give .* --problem FILE.py$"):
        pk.load(tmp_path / "run.h5")
    assert pk.load(tmp_path / "run.h5", problem).problem is problem


def points_of(problem: pk.Problem) -> pk.Points:
    return pk.Points({key: problem.sample(key, 5) for key in problem.keys})


def number(n: float) -> list:
    return ["number", str(n), "1"]


def grown(e: list, times: int) -> list:
    for _ in range(times):
        e = ["Mul", e, e]
    return e


X = ["symbol", "x", False]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda r: r["equations"][0].__setitem__(1, ["Pow", ["Add", X, ["symbol", "t", False], *[X] * 9], number(40)]),
         "100000 terms multiplied out"),
        (lambda r: r["equations"][0].__setitem__(1, grown(["Add", X, number(1)], 6)), "100000 terms multiplied out"),
        (lambda r: r["equations"][0].__setitem__(1, ["Derivative", grown(["sin", X], 7), [X, 9]]), "differentiated"),
        (lambda r: r["equations"][0].__setitem__(1, ["Derivative", X, [X, 10**9]]), "of order 1000000000"),
        (lambda r: r["equations"][0].__setitem__(1, ["Exit", X, X]), "names the function 'Exit'"),
        (lambda r: r["equations"][0].__setitem__(1, ["integral", X, [X]]), "an integral without limits"),
        (lambda r: r["conditions"][0].__setitem__("kind", "Problem"), "cannot be read: 'Problem'"),
        (lambda r: r["conditions"].extend([{}] * 600), "with 604 conditions"),
        (lambda r: r["domain"].__setitem__("coordinates", {"x": [0, 1], "t": [0, "os"]}), "the bound 'os'"),
        (lambda r: r.__setitem__("fields", [X]), "states the field x"),
        (lambda r: r["parameters"].__setitem__("nu", 0.2), "its parameters are"),
    ],
)  # fmt: skip
def test_forged_statements_are_refused(change: Callable, sentence: str, run: Path, tmp_path: Path) -> None:
    path = tmp_path / "run.h5"
    path.write_bytes(run.read_bytes())
    with h5py.File(path, "r+") as h5:
        group = h5["problem/statement"]
        record = json.loads(group.attrs["record"])
        change(record)
        text = json.dumps(record).encode()
        del group.attrs["record"]
        kind = h5py.string_dtype("ascii", len(text))
        group.attrs.create("record", np.array(text, kind), dtype=kind)
    with pytest.raises(ValueError, match=sentence) as caught:
        pk.load(path)
    assert "\n" not in str(caught.value) and str(path) in str(caught.value)
