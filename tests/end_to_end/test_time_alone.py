"""Ordinary equations in time: a domain of time alone goes through everything that equations in space go through."""

import numpy as np
import pytest
import sympy as sp
import torch

import pinnkit as pk
from pinnkit import plot

(t,) = pk.coordinates("t")
y, z = pk.field("y", t), pk.field("z", t)
TIME = pk.Box(t=(0, 3))
QUIET = {"progress": False, "validation": 50}


def oscillator() -> pk.Problem:
    """y' = z, z' = -y from (1, 0): cosine and minus sine."""
    return pk.Problem(
        "oscillator", [y, z], {"y": y.diff(t) - z, "z": z.diff(t) + y}, TIME, [pk.Initial(y, 1), pk.Initial(z, 0)],
        reference={y: sp.cos(t), z: -sp.sin(t)},
    )  # fmt: skip


@pytest.fixture(scope="module")
def solved() -> pk.Solution:
    stages = [pk.Adam(50), pk.SSBroyden(150)]
    return pk.solve(oscillator(), pk.MLP(1, 8, 8, 2), 60, stages=stages, resample=pk.rad(every=50, after=50), **QUIET)


def test_a_box_of_time_alone():
    assert TIME.space == TIME.faces == () and TIME.volume() == 1 and TIME.measure() == 3
    assert TIME.sample(5).shape == (5, 1) and TIME.sample_initial(5).tolist() == [[0.0]]
    X = torch.tensor([[-1.0], [0.0], [3.0], [4.0]])
    assert TIME.inside(X).tolist() == [False, True, True, False]
    assert TIME.on_initial(X).tolist() == [False, True, False, False] and not TIME.on_boundary(X).any()
    assert repr(TIME) == "Box(t=(0.0, 3.0))"
    assert pk.Box.of({"t": (0, 3)}, time=None).faces == ("t_min", "t_max")  # t as any other coordinate
    with pytest.raises(ValueError, match="at least one coordinate"):
        pk.Box()


def test_a_system_is_solved_estimated_and_corrected(solved: pk.Solution):
    true = {name: e["relative_l2"] for name, e in solved.errors().items()}
    found = pk.error_map(solved)
    assert max(true.values()) < 1e-4 and found.trusted
    for name, error in true.items():
        low, high = found.interval[name]
        assert low <= error <= high
    assert max(e["max"] for e in pk.correct(solved).errors().values()) < 1e-3 * max(true.values())
    assert "trust" in str(pk.report(solved))


@pytest.mark.parametrize(("order", "truth"), [(2, sp.cos(2 * t)), (3, sp.exp(-t)), (4, sp.sin(t) + t)])
def test_initial_conditions_of_every_order(order: int, truth: sp.Expr):
    equation = y.diff(t, order) + y - (truth.diff(t, order) + truth)
    given = [pk.Initial(y, truth.diff(t, k).subs(t, 0), order=k) for k in range(order)]
    problem = pk.Problem("one", y, equation, pk.Box(t=(0, 1)), given, reference=truth)
    assert problem.verify()["pde"] < 1e-14
    solution = pk.solve(problem, pk.MLP(1, 8, 1), 40, stages=[pk.LevenbergMarquardt(30)], **QUIET)
    assert solution.errors()["y"]["max"] < 1e-4
    start = torch.tensor([[0.0]]).double()
    for k, condition in enumerate(given):  # by construction
        assert float(solution.evaluate([y.diff(t, k) if k else y], start)) == pytest.approx(float(condition.value))


def test_an_equation_without_a_derivative():
    conditions = [pk.Initial(y, 1)]
    truth = {y: 1 / (1 + t), z: 1 / (1 + t) ** 2}
    problem = pk.Problem("dae", [y, z], {"y": y.diff(t) + z, "z": z - y**2}, TIME, conditions, reference=truth)
    solution = pk.solve(problem, pk.MLP(1, 10, 2), 60, stages=[pk.LevenbergMarquardt(60)], **QUIET)
    assert max(e["relative_l2"] for e in solution.errors().values()) < 1e-2


def test_initial_values_and_coefficients_are_found_from_readings():
    start, rate = sp.symbols("start rate")
    times = torch.linspace(0.1, 3, 30).double()[:, None]
    readings = pk.Observations(y, times, 2 * torch.exp(-0.7 * times[:, 0]))
    problem = pk.Problem(
        "decay", y, y.diff(t) + rate * y, TIME, [pk.Initial(y, start), readings], unknowns={"start": 1.0, "rate": 1.0}
    )  # fmt: skip
    solution = pk.solve(problem, pk.MLP(1, 8, 1), 50, stages=[pk.LevenbergMarquardt(50)], **QUIET)
    assert solution.unknowns == pytest.approx({"start": 2.0, "rate": 0.7}, rel=1e-3)


def test_files_and_resuming(tmp_path):
    stages = [pk.Adam(40), pk.SSBroyden(20)]
    whole = pk.solve(oscillator(), pk.MLP(1, 6, 2), 30, stages=stages, **QUIET)
    begun = pk.solve(oscillator(), pk.MLP(1, 6, 2), 30, stages=stages, time_limit=0, **QUIET)
    read = pk.load(pk.save(begun, tmp_path / "run.h5"))
    assert read.problem.domain == TIME
    assert torch.equal(pk.resume(read, time_limit=60.0, progress=False).theta, whole.theta)


def test_pictures_and_files_for_paraview(solved: pk.Solution, tmp_path):
    figures = plot.figures(solved)
    assert {"summary", "solution", "error", "points", "slices", "history"} <= set(figures)
    ax = plot.plot_field(solved, "z")
    times, values = ax.lines[0].get_data()
    assert ax.get_xlabel() == "t" and np.abs(values + np.sin(times)).max() < 1e-3
    plot.error_figure(pk.error_map(solved))
    assert pk.export_vtk(solved, tmp_path / "y.vtp").exists() and pk.export_points(solved, tmp_path / "p.vtp").exists()


def test_influence(solved: pk.Solution):
    found = pk.Influence(solved).attribute(pk.at("y", t=3.0))
    assert found.effects["y"].shape == (1, len(solved.points["pde"])) and found.effects["y"].abs().max() > 0
    assert pk.indicators(solved).directionality.isfinite().all()
    assert pk.response(solved, "y").reciprocity < 0.9  # what is felt later is not felt before


def test_from_a_shell(tmp_path, call):
    file, run = tmp_path / "decay.py", str(tmp_path / "run.h5")
    file.write_text(
        "import pinnkit as pk\n\n\ndef problem():\n    t, = pk.coordinates('t'); y = pk.field('y', t)\n"
        "    return pk.Problem('decay', y, y.diff(t) + y, pk.Box(t=(0, 1)), [pk.Initial(y, 1)])\n"
    )
    code, said, wrong = call("solve", str(file), "--network", "6", "--points", "30", "--stages", "lm:15", "--out", run)
    assert code == 0 and "estimated error of y" in said, wrong
    for words in (["error", run], ["plot", run], ["correct", run], ["influence", run, "--of", "y@t=1"]):
        code, said, wrong = call(*words)
        assert code == 0 and said, (words, wrong)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: conditioned(pk.Dirichlet(y, 1)), "time alone and has no boundary: use Initial"),
        (lambda: conditioned(pk.Neumann(y, 1, on="t_min")), "time alone and has no boundary: use Initial"),
        (lambda: conditioned(pk.Periodic(y, "t")), "expected a space coordinate, and .* has none"),
        (lambda: conditioned(), r"orders \[0\], got \[\]"),
        (lambda: conditioned(pk.Initial(y, 1), pk.Initial(y, 0, order=1)), r"orders \[0\], got \[0, 1\]"),
        (lambda: pk.solve_lie(conditioned(pk.Initial(y, 1))), "time alone.* use solve"),
        (lambda: pk.to_deepxde(conditioned(pk.Initial(y, 1))), "time alone, .* time=None"),
        (lambda: TIME.sample_boundary(4), "'boundary' is empty"),
        (lambda: TIME.face_pair("t", 4), "no pair of faces"),
    ],
)
def test_what_is_refused(call, says: str):
    with pytest.raises(ValueError, match=says):
        call()


def test_no_theorem_is_about_time_alone():
    decay = pk.solve(conditioned(pk.Initial(y, 1)), pk.MLP(1, 4, 1), 20, stages=[pk.Adam(2)], **QUIET)
    with pytest.raises(ValueError, match="time alone.*error_map estimates"):
        pk.certify(decay)


def conditioned(*conditions: object) -> pk.Problem:
    """y' = -y with these conditions."""
    return pk.Problem("decay", y, y.diff(t) + y, TIME, conditions)
