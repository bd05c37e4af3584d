"""Errors predicted without a reference, against closed forms and trained models."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import sympy as sp
import torch
from torch import Tensor, nn

import pinnkit as pk
from pinnkit.certificate.misfits.enclosed import EnclosedMisfits
from pinnkit.certificate.theorems import theorems
from pinnkit.cli import main
from pinnkit.domain.point_set import PointSet
from pinnkit.error.settings import Settings
from pinnkit.error.tangent_space import TangentSpace
from pinnkit.tools import hdf5


class Polynomial(nn.Module):
    """All products x^i y^j, i, j < 6, times trained coefficients."""

    def __init__(self) -> None:
        super().__init__()
        self.c = nn.Parameter(torch.zeros(6, 6, dtype=torch.float64))

    def forward(self, X: Tensor) -> Tensor:
        """(n, 2) to (n, 1)."""
        one = torch.ones_like(X)
        powers = [one, X, X**2, X**3, X**4, X**5]
        x, y = torch.stack([p[:, 0] for p in powers], 1), torch.stack([p[:, 1] for p in powers], 1)
        return ((x @ self.c) * y).sum(1, keepdim=True)


def poisson(**more) -> pk.Problem:
    """u_xx + u_yy + k u = f with a polynomial solution that the ansatz can represent."""
    x, y = pk.coordinates("x y")
    u = pk.field("u", x, y)
    exact = (1 - x**2) * (1 - y**2) * (1 + x / 2 - x * y**3)
    f = exact.diff(x, 2) + exact.diff(y, 2) + exact
    return pk.Problem("polynomial", u, u.diff(x, 2) + u.diff(y, 2) + u - sp.expand(f), pk.Box(x=(-1, 1), y=(-1, 1)),
                      [pk.Dirichlet(u, 0)], reference=pk.Exact({u: exact}), **more)  # fmt: skip


def linear(hard: bool | None = None, **more) -> pk.Solution:
    """A model that is linear in its parameters, which are random."""
    problem = poisson(**more)
    model = pk.Model(problem, pk.Module(Polynomial()), hard)
    theta = torch.randn(model.count, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return pk.Solution(model, theta, pk.sample(problem, 200))


@pytest.fixture(scope="module")
def diffusion() -> pk.Solution:
    stages = [pk.Adam(150, lr=5e-3), pk.SSBroyden(150)]
    return pk.solve(pk.problem("diffusion"), pk.MLP(2, 12, 12, 1), 400, stages=stages, progress=False)


@pytest.fixture(scope="module")
def found(diffusion: pk.Solution) -> pk.ErrorMap:
    return pk.error_map(diffusion)


def correlation(a: Tensor, b: Tensor) -> float:
    return float((a * b).sum() / (a.norm() * b.norm()))


@pytest.mark.parametrize("hard", [None, False])
def test_a_linear_models_error_is_found_exactly(hard: bool | None) -> None:
    solution = linear(hard)
    found = pk.error_map(solution)
    X = solution.problem.domain.sample(500, seed=3)
    exact = solution.problem.reference(X)
    assert found.estimate_error < 1e-3  # neither what is left nor how much it moves with the damping
    error = solution(X) - exact
    assert (found.error(X) - error).abs().max() < 1e-8 * error.abs().max()
    assert (found.corrected(X) - exact).abs().max() < 1e-8
    assert found.verdict == "trust" and found.explained > 1 - 1e-8
    assert found.relative_l2["u"] == pytest.approx(float(error.norm() / exact.norm()), rel=0.02)  # other points


def test_equations_with_a_weight_that_vanishes_in_a_corner() -> None:
    x, y = pk.coordinates("x y")
    solution = linear(weight=(1 - x) ** 2 + (1 - y) ** 2)
    found, X = pk.error_map(solution), solution.problem.domain.sample(300, seed=3)
    exact = solution.problem.reference(X)
    assert (found.corrected(X) - exact).abs().max() < 1e-8 and found.trusted


def test_the_residual_of_the_corrected_function_is_nonlinear_in_it(diffusion: pk.Solution) -> None:
    problem = pk.problem("burgers")
    model = pk.Model(problem, pk.MLP(2, 6, 1))
    solution = pk.Solution(model, model.initial(1), pk.sample(problem, 20))
    space, d = TangentSpace(solution), 0.3 * model.initial(2)
    X = problem.domain.sample(40, seed=1)

    def jet(names: str) -> list[Tensor]:
        """Channels of u + J_u d by finite differences of theta, at which u is evaluated exactly."""
        h = 1e-6
        up, down = (replace(solution, theta=solution.theta + s * h * d) for s in (1, -1))
        here, there, back = (s.jet(X, names) for s in (solution, up, down))
        return [a + (b - c) / (2 * h) for a, b, c in zip(here, there, back, strict=True)]

    u, u_t, u_x, u_xx = jet("u u_t u_x u_xx")
    r = u_t + u * u_x - problem.parameters["nu"] * u_xx
    assert torch.allclose(space.residual({"pde": PointSet(X)}, d), r, atol=1e-7)
    stack, at = space.stack({"pde": PointSet(X)}, d)
    v, h = model.initial(3), 1e-6
    slope = (space.residual({"pde": PointSet(X)}, d + h * v) - space.residual({"pde": PointSet(X)}, d - h * v)) / (
        2 * h
    )
    assert torch.allclose(stack.jacobian(at) @ v, slope, atol=1e-7)
    assert torch.allclose(stack.jvp(at, v), slope, atol=1e-7)


def test_a_trained_model(diffusion: pk.Solution, found: pk.ErrorMap) -> None:
    axes, u, exact = diffusion.on_grid()
    axes_, error, corrected = found.on_grid()
    assert all(np.array_equal(axes[n], axes_[n]) for n in axes)
    assert correlation(error, u - exact) > 0.999
    true = diffusion.errors()["u"]["relative_l2"]
    assert 0.9 < found.relative_l2["u"] / true < 1.1
    low, high = found.interval["u"]
    assert low * 0.95 <= true <= high * 1.05 and found.trusted
    assert float((corrected - exact).norm() / exact.norm()) < 0.01 * true
    X = diffusion.problem.domain.sample(10, seed=1)
    assert torch.allclose(diffusion(X) - found.error(X), found.corrected(X), atol=1e-14)


def test_what_rounding_does_to_values_is_what_twice_the_digits_show(diffusion: pk.Solution, found: pk.ErrorMap) -> None:
    own = EnclosedMisfits(diffusion, theorems(diffusion.problem)[0], 1.0)
    size = diffusion.on_grid()[1].square().mean().sqrt().item()
    largest = own.apart("sup") / 2
    assert largest / 30 < found.parts["u"]["rounded"] * size < 10 * largest < 1e-13


def test_it_leaves_the_solution_alone_and_repeats_itself(diffusion: pk.Solution, found: pk.ErrorMap) -> None:
    before = diffusion.theta.clone()
    again = pk.error_map(diffusion)
    assert torch.equal(diffusion.theta, before) and torch.equal(again.delta, found.delta)
    other = pk.error_map(diffusion, seed=1)
    assert not torch.equal(other.delta, found.delta)
    assert other.relative_l2["u"] == pytest.approx(found.relative_l2["u"], rel=0.05)


def test_a_system() -> None:
    stages = [pk.Adam(200, lr=5e-3), pk.SSBroyden(200)]
    solution = pk.solve(pk.problem("kovasznay"), pk.MLP(2, 12, 12, 3), 300, stages=stages, progress=False)
    found = pk.error_map(solution)
    _, u, exact = solution.on_grid()
    _, error, _ = found.on_grid()
    for i, name in enumerate("uvp"):
        assert correlation(error[..., i], (u - exact)[..., i]) > 0.9
        assert 0.5 < found.relative_l2[name] / solution.errors()[name]["relative_l2"] < 2


def test_an_inverse_problems_coefficient_is_corrected() -> None:
    problem = pk.problem("heat_inverse")
    solution = pk.solve(
        problem, pk.MLP(2, 12, 12, 1), stages=[pk.Adam(150, lr=5e-3), pk.SSBroyden(100)], progress=False
    )
    found = pk.error_map(solution)
    assert abs(found.unknowns["D"] - 0.3) < 0.05 * abs(solution.unknowns["D"] - 0.3)
    assert "coefficient D" in str(found)


def test_a_wrong_basin_is_not_to_be_trusted() -> None:
    solution = pk.solve(
        pk.problem("burgers"), pk.MLP(2, 16, 16, 1), 60, stages=[pk.Adam(200, lr=5e-3), pk.SSBroyden(500)],
        resample=None, progress=False,
    )  # fmt: skip
    assert solution.errors()["u"]["relative_l2"] > 0.1 and solution.history["loss"][-1] < 1e-3
    found = pk.error_map(solution)
    assert found.verdict.startswith("not to be trusted because") and "wrong basin" in found.verdict
    assert not found.trusted and found.estimate_error > 0.2


def test_too_few_rows_are_noticed(diffusion: pk.Solution) -> None:
    found = pk.error_map(diffusion, n=50)
    assert "too few" in found.verdict and found.rows == 50


def test_a_geometry_has_no_error_outside() -> None:
    stages = [pk.Adam(50), pk.SSBroyden(50)]
    solution = pk.solve(pk.problem("poisson_disk", sigma=0.3), pk.MLP(2, 10, 10, 1), 300, stages=stages, progress=False)
    found = pk.error_map(solution)
    _, u, exact = solution.on_grid()
    _, error, _ = found.on_grid()
    inside = torch.isfinite(exact)
    assert torch.equal(torch.isfinite(error), inside) and not inside.all()
    assert correlation(error[inside], (u - exact)[inside]) > 0.9


def test_single_precision_models_are_analysed_in_double(diffusion: pk.Solution) -> None:
    half = replace(diffusion, theta=diffusion.theta.float(), points=diffusion.points.to(torch.float32))
    found = pk.error_map(half)
    X = diffusion.problem.domain.sample(50, seed=2)
    assert found.error(X).dtype == torch.float64 and found.error(X.float()).dtype == torch.float32
    exact = pk.error_map(replace(half, theta=half.theta.double()))
    assert torch.allclose(found.error(X), exact.error(X), rtol=1e-6, atol=1e-12)


def test_a_part_of_many_parameters(diffusion: pk.Solution, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pinnkit.error.estimator.USUAL", Settings(columns=100))
    found = pk.error_map(diffusion)
    assert int((found.delta != 0).sum()) == 100 and "100 of 205 parameters" in found.notes[0]
    assert found.relative_l2["u"] == pytest.approx(diffusion.errors()["u"]["relative_l2"], rel=0.2)


def test_corners_where_data_do_not_match() -> None:
    problem = pk.problem("heat", initial="gauss")
    solution = pk.solve(problem, pk.MLP(2, 16, 16, 1), 800, stages=[pk.Adam(300, lr=5e-3), pk.SSBroyden(600)],
                        progress=False)  # fmt: skip
    found, (_, u, exact) = pk.error_map(solution), solution.on_grid()
    assert correlation(found.on_grid()[1], u - exact) > 0.95
    assert 0.8 < found.relative_l2["u"] / solution.errors()["u"]["relative_l2"] < 1.25


def test_all_parameters_where_it_is_thorough(monkeypatch: pytest.MonkeyPatch, diffusion: pk.Solution) -> None:
    monkeypatch.setattr("pinnkit.error.estimator.USUAL", Settings(columns=60))
    quick, slow = pk.error_map(diffusion), pk.error_map(diffusion, thorough=True)
    assert int((quick.delta != 0).sum()) == 60 and int((slow.delta != 0).sum()) == 205
    assert slow.explained > quick.explained and not slow.notes and "60 of 205" in quick.notes[0]


def test_a_given_damping_is_used(diffusion: pk.Solution) -> None:
    found = pk.error_map(diffusion, damping=1e12)
    assert found.damping == pytest.approx(1e12) and found.explained < 1e-6 and not found.trusted


def test_a_file_of_before_is_read(tmp_path: Path, diffusion: pk.Solution, found: pk.ErrorMap) -> None:
    figures = found.to_dict()
    figures["doubt"] = figures.pop("estimate_error")  # its name until this version
    tree = {"figures": hdf5.Json(figures), "delta": found.delta, "theta": diffusion.theta, "problem": "diffusion"}
    path = hdf5.write(tmp_path / "old.h5", "pinnkit-error-map", 1, tree)
    assert pk.ErrorMap.load(path, diffusion).to_dict() == found.to_dict()


def test_the_file_holds_all(tmp_path: Path, diffusion: pk.Solution, found: pk.ErrorMap) -> None:
    path = found.save(tmp_path / "map.h5")
    back = pk.ErrorMap.load(path, diffusion)
    assert back.to_dict() == found.to_dict() and torch.equal(back.delta, found.delta)
    tree = hdf5.read(path, "pinnkit-error-map", 1)
    axes, error, corrected = found.on_grid()
    assert torch.equal(tree["grid"]["u:predicted error"], error[..., 0])
    assert torch.equal(tree["grid"]["u:corrected"], corrected[..., 0]) and set(axes) < set(tree["grid"])
    with pytest.raises(ValueError, match="another solution"):
        pk.ErrorMap.load(path, replace(diffusion, theta=diffusion.theta + 1))
    with pytest.raises(ValueError, match="not one of format"):
        pk.ErrorMap.load(pk.save(diffusion, tmp_path / "run.h5"), diffusion)


def test_bad_input_is_refused(diffusion: pk.Solution, found: pk.ErrorMap) -> None:
    for n in (0, -3):
        with pytest.raises(ValueError, match="at least 1"):
            pk.error_map(diffusion, n=n)
    for damping in (0.0, -1.0, float("nan"), float("inf"), "gcv"):
        with pytest.raises(ValueError, match="positive number or 'held-out'"):
            pk.error_map(diffusion, damping=damping)
    with pytest.raises(ValueError, match="not finite"):
        pk.error_map(replace(diffusion, theta=diffusion.theta * float("nan")))
    with pytest.raises(ValueError, match=r"expected points of shape \(n, 2\)"):
        found.error(torch.zeros(3, 3))


def test_the_report_of_a_run_without_reference_shows_the_estimate() -> None:
    blind = pk.solve(pk.problem("burgers", nu=0.3), pk.MLP(2, 10, 10, 1), 200,
                     stages=[pk.Adam(50), pk.SSBroyden(100)], progress=False)  # fmt: skip
    said, silent = pk.report(blind), pk.report(blind, estimate=False)
    assert said.relative_l2 == {} and 0 < said.estimate["u"] < 1 and said.verdict == "trust"
    low, high = said.interval["u"]
    assert low <= said.estimate["u"] <= high * 1.001 and "estimated error of u" in str(said)
    assert (silent.estimate, silent.verdict) == ({}, "") and "estimated" not in str(silent)
    json.dumps(said.to_dict())


def test_a_diverged_run_still_has_a_report(diffusion: pk.Solution) -> None:
    blind = replace(diffusion, theta=diffusion.theta * float("nan"))
    assert "diverged" in pk.report(blind).verdict


def test_the_shell(tmp_path: Path, diffusion: pk.Solution, capsys: pytest.CaptureFixture[str]) -> None:
    run, out, picture = pk.save(diffusion, tmp_path / "run.h5"), tmp_path / "map.h5", tmp_path / "map.png"
    with pytest.raises(SystemExit) as stop:
        main(["error", str(run), "--out", str(out), "--picture", str(picture), "--json"])
    said = json.loads(capsys.readouterr().out)
    assert stop.value.code == 0 and said["verdict"] == "trust" and out.exists() and picture.stat().st_size > 10_000
    assert said["true"]["u"]["relative_l2"] == pytest.approx(said["relative_l2"]["u"], rel=0.1)
    with pytest.raises(SystemExit) as stop:
        main(["error", str(run)])
    text = capsys.readouterr().out
    assert "verdict: trust" in text and "true relative L2 error of u" in text
    with pytest.raises(SystemExit) as stop:
        main(["error", str(run), "--picture", "map"])
    assert stop.value.code == 2 and "give a file with its format" in capsys.readouterr().err


def test_derived_quantities_stand_beside_the_fields_and_are_not_estimated(tmp_path):
    """A stream function form reports u = psi_y as well; the map holds psi and p."""
    problem = pk.problem("kovasznay", form="stream")
    stages = [pk.Adam(20), pk.SSBroyden(40)]
    solution = pk.solve(problem, pk.MLP(2, 6, 2), {"pde": 60}, stages=stages, resample=None, progress=False)
    found = pk.error_map(solution)
    axes, error, corrected = found.on_grid()
    assert set(found.relative_l2) == {"psi", "p"} and {"u", "v"} <= set(solution.errors())
    assert error.shape == corrected.shape == (*map(len, axes.values()), 2)
    assert torch.isfinite(error).all()
    again = type(found).load(found.save(tmp_path / "map.h5"), solution)
    assert torch.equal(again.delta, found.delta)
