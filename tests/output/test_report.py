"""Reports: every figure is recomputed here in another way."""

import io
import json
import math
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import pytest
import sympy as sp
import torch
from rich.console import Console

import pinnkit as pk


@pytest.fixture(scope="module")
def solution() -> pk.Solution:
    return pk.solve(
        pk.problem("burgers"), pk.MLP(2, 8, 8, 1), 100, stages=[pk.Adam(5), pk.SSBroyden(20)],
        resample=pk.rad(every=10, candidates=200), progress=False,
    )  # fmt: skip


def test_errors_stand_beside_the_references_own(solution: pk.Solution) -> None:
    found = pk.report(solution)
    _, u, v = solution.on_grid()
    assert found.relative_l2["u"] == pytest.approx(float((u - v).norm() / v.norm()), rel=1e-12)
    assert found.max_error["u"] == pytest.approx(float((u - v).abs().max()), rel=1e-12)
    assert found.reference_error == solution.problem.reference.error > 0
    assert f"{found.relative_l2['u']:.2e}   (the reference's own: {found.reference_error:.1e})" in str(found)


def test_residuals_are_those_of_the_equation_on_fresh_points(solution: pk.Solution) -> None:
    found = pk.report(solution)
    X = solution.problem.domain.sample(20_000, method="random", seed=5)
    u, u_t, u_x, u_xx = solution.jet(X, "u u_t u_x u_xx")
    r = u_t + u * u_x - solution.problem.parameters["nu"] * u_xx
    assert found.residuals["pde"] == pytest.approx(float((r * r).mean().sqrt()), rel=0.05)
    assert found.residuals["u initial"] < 1e-14 and set(found.exact) == {"u initial", "u on x"}
    assert ("residual of u initial", "0 by construction") in found.rows()


def test_soft_conditions_are_measured() -> None:
    soft = pk.solve(pk.problem("burgers"), pk.MLP(2, 8, 1), 50, stages=[pk.Adam(1)], hard=False, progress=False)
    found, x = pk.report(soft), soft.problem.domain.sample_initial(5000, method="random", seed=1)
    r = soft(x)[:, 0] + torch.sin(math.pi * x[:, 0])
    assert found.residuals["u initial"] == pytest.approx(float((r * r).mean().sqrt()), rel=0.05)
    assert found.exact == () and "by construction" not in str(found)


def test_cost_and_reasons(solution: pk.Solution) -> None:
    found = pk.report(solution)
    assert (found.iterations, found.rounds, found.trained) == (25, 2, 8 * 3 + 8 * 9 + 9)
    assert found.points == {key: len(points) for key, points in solution.points.items()}
    assert found.stop_reasons == solution.stops and len(solution.stops) == 2
    arithmetic = dict(found.rows())["computed with"]
    assert all(found.versions[name] in arithmetic for name in ("pinnkit", "torch", "kernels", "simd", "threads"))
    assert "kernels not known" in str(pk.report(replace(solution, versions={"torch": "2"}), estimate=False))
    assert "computed with" not in str(pk.report(replace(solution, versions={}), estimate=False))
    assert 0 < found.cpu_s and 0 < found.wall_s and "25 iterations, 2 rounds of resampling" in str(found)
    noted = pk.report(replace(solution, notes=("look here",)))
    assert noted.notes == ("look here",) and "note" in str(noted) and "look here" in str(noted)


def test_a_small_file_keeps_what_the_training_took(solution: pk.Solution, tmp_path: Path) -> None:
    found = pk.report(pk.load(pk.save(solution, tmp_path / "small.h5", small=True)), estimate=False)
    last = solution.history.row(len(solution.history) - 1)
    assert (found.iterations, found.rounds) == (25, solution.progress.round)
    assert (found.wall_s, found.cpu_s) == (last["wall_s"], last["cpu_s"]) and found.cpu_s > 0


def test_a_report_is_a_value_and_json(solution: pk.Solution) -> None:
    found = pk.report(solution)
    data = json.loads(json.dumps(found.to_dict()))
    wanted = {"problem", "parameters", "relative_l2", "reference_error", "max_error", "residuals", "wall_s", "cpu_s"}
    assert wanted | {"iterations", "stop_reasons", "notes"} <= set(data)
    assert data["relative_l2"] == dict(found.relative_l2) and data["stop_reasons"] == list(found.stop_reasons)
    with pytest.raises(FrozenInstanceError):
        found.problem = "other"
    assert pk.report(solution).to_dict() == found.to_dict()


def test_rich_prints_the_same_figures(solution: pk.Solution) -> None:
    found, console = pk.report(solution), Console(file=io.StringIO(), width=300)
    console.print(found)
    for _, text in found.rows():
        assert text in console.file.getvalue()


def test_an_inverse_problem_reports_its_coefficient_and_systems_all_fields() -> None:
    inverse = pk.solve(pk.problem("heat_inverse"), pk.MLP(2, 6, 1), 50, stages=[pk.SSBroyden(5)], progress=False)
    found = pk.report(inverse)
    assert found.unknowns == inverse.unknowns and "coefficient D" in str(found)
    gap = inverse(inverse.points["readings"].X)[:, 0] - inverse.points["readings"].columns["readings_value"]
    assert found.residuals["readings"] == pytest.approx(float((gap * gap).mean().sqrt()), rel=1e-12)
    flow = pk.solve(pk.problem("kovasznay"), pk.MLP(2, 6, 3), 50, stages=[pk.Adam(1)], progress=False)
    found = pk.report(flow)
    assert list(found.relative_l2) == ["u", "v", "p"] and found.reference_error == 0.0
    assert str(found).count("(exact reference)") == 3


def test_without_a_reference_no_error_is_invented() -> None:
    blind = pk.solve(pk.problem("burgers", nu=0.3), pk.MLP(2, 6, 1), 50, stages=[pk.Adam(1)], progress=False)
    found = pk.report(blind)
    assert (found.relative_l2, found.max_error, found.reference_error) == ({}, {}, None)
    assert "not known: no reference for these parameters" in str(found)


def test_a_closed_form_has_no_residual_and_no_error() -> None:
    x, y = pk.coordinates("x y")
    u = pk.field("u", x, y)
    problem = pk.Problem(
        "saddle", u, u.diff(x, 2) + u.diff(y, 2), pk.Box(x=(0, 1), y=(0, 1)), [pk.Dirichlet(u, x**2 - y**2)],
        reference=pk.Exact({u: x**2 - y**2}, {}),
    )  # fmt: skip
    model = pk.Model(problem, pk.MLP(2, 3, 1))
    g = sp.expand(model.ansatz[u][0])
    found = pk.report(pk.Solution(model, torch.zeros(model.count, dtype=torch.float64), pk.sample(problem, 10)))
    if sp.simplify(g - (x**2 - y**2)) == 0:
        assert found.relative_l2["u"] < 1e-14 and found.residuals["pde"] < 1e-12
    assert found.iterations == 0 and found.stop_reasons == ()


def test_of_many_stages_the_last_are_named():
    stages = [pk.Adam(1) for _ in range(5)]
    found = pk.solve(pk.problem("heat"), pk.MLP(2, 4, 1), 20, stages=stages, resample=None, progress=False)
    rows = pk.report(found, estimate=False).rows()
    assert (
        sum(label == "stopped" for label, _ in rows) == 3
        and ("stages", "5, of which the last 3 ended as follows") in rows
    )
