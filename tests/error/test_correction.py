"""Solutions corrected in their tangent space: against closed forms, finite differences, files and the shell."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import pinnkit as pk
from pinnkit.cli import main
from pinnkit.domain.point_set import PointSet
from pinnkit.error.tangent_space import TangentSpace, mean_size


@pytest.fixture(scope="module")
def diffusion() -> pk.Solution:
    stages = [pk.Adam(150, lr=5e-3), pk.SSBroyden(150)]
    return pk.solve(pk.problem("diffusion"), pk.MLP(2, 12, 12, 1), 400, stages=stages, progress=False)


@pytest.fixture(scope="module")
def better(diffusion: pk.Solution) -> pk.Solution:
    return pk.correct(diffusion)


def moved(problem: pk.Problem, network: pk.MLP) -> tuple[pk.Solution, pk.Solution]:
    """A random solution, and one in its tangent space with random d."""
    model = pk.Model(problem, network)
    theta = model.initial(1)
    count = model.tape.count
    tangent = pk.Model(problem, pk.Linearised(network, theta[:count]))
    d = 0.3 * torch.randn(count, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    points = pk.sample(problem, 30)
    return pk.Solution(model, theta, points), pk.Solution(tangent, torch.cat([d, theta[count:]]), points)


def test_the_tangent_space_as_a_network() -> None:
    for problem, network in (
        (pk.problem("kovasznay"), pk.MLP(2, 6, 6, 3)),
        (pk.problem("heat_inverse"), pk.ModifiedMLP(2, 6, 6, 1)),
        (pk.problem("drift_diffusion"), pk.MLP(2, 6, 1, features=pk.Harmonics(("x",)))),
    ):
        base, solution = moved(problem, network)
        d = solution.theta.clone()
        d[base.model.tape.count :] = 0
        X = problem.domain.sample(20, seed=2)
        u, shift = TangentSpace(base).fields(X, d)
        assert torch.allclose(solution(X), u + shift, atol=1e-13)
        stack, theta = solution.stack, solution.theta
        key = next(iter(base.model.keys))
        part = {key: base.points[key]}
        there = TangentSpace(base).residual(part, d)
        assert torch.allclose(solution.model.rows(part).values(theta), there, atol=1e-12)
        v = torch.sin(torch.arange(len(theta), dtype=torch.float64))
        J, h = stack.jacobian(theta), 1e-6
        slope = (stack.values(theta + h * v) - stack.values(theta - h * v)) / (2 * h)
        assert torch.allclose(J @ v, slope, rtol=1e-6, atol=1e-6)
        assert torch.allclose(stack.jvp(theta, v), J @ v, atol=1e-11)
        w = torch.cos(torch.arange(len(J), dtype=torch.float64))
        assert torch.allclose(stack.vjp(theta, w), J.T @ w, atol=1e-11)
        bend = (stack.loss_and_gradient(theta + h * v)[1] - stack.loss_and_gradient(theta - h * v)[1]) / (2 * h)
        assert torch.allclose(stack.hvp(theta, v), bend, rtol=1e-5, atol=1e-4)


def test_a_corrected_solution_is_a_solution(diffusion: pk.Solution, better: pk.Solution) -> None:
    before, after = diffusion.errors()["u"]["relative_l2"], better.errors()["u"]["relative_l2"]
    assert after < 1e-3 * before
    found = pk.error_map(diffusion, thorough=True)
    X = diffusion.problem.domain.sample(50, seed=1)
    assert torch.allclose(better(X), found.corrected(X), atol=1e-13)
    assert torch.equal(pk.correct(diffusion, found).theta, better.theta)
    u_xx = better.jet(X, "u_xx")
    h = torch.tensor([1e-4, 0.0], dtype=torch.float64)
    assert torch.allclose(u_xx, ((better(X + h) - 2 * better(X) + better(X - h)) / 1e-8)[:, 0], atol=1e-5)
    assert "from" in better.stops[-1] and "trust" in better.stops[-1] and not better.notes
    assert len(better.history) == len(diffusion.history) + 1
    assert better.history["error:u"][-1] < 1e-3 * diffusion.history["error:u"][-1]
    assert better.progress.done and better.progress.cpu_s > diffusion.progress.cpu_s
    said = pk.report(better, estimate=False)
    assert "linearised" in said.network and said.residuals["pde"] < 1e-3 * pk.report(diffusion, False).residuals["pde"]
    assert pk.resume(better, progress=False).theta.equal(better.theta)


def test_training_can_go_on(diffusion: pk.Solution) -> None:
    rough = pk.correct(diffusion, pk.error_map(diffusion, damping=1e-6))
    further = pk.solve(start=rough, stages=[pk.LevenbergMarquardt(5)], progress=False)
    assert further.history["loss"][-1] < rough.history["loss"][-1]
    again = pk.correct(rough)
    assert again.network is rough.network  # the tangent of a tangent is itself
    assert again.errors()["u"]["relative_l2"] < 0.1 * rough.errors()["u"]["relative_l2"]


def test_a_correction_that_helps_little_is_refused(diffusion: pk.Solution) -> None:
    found = pk.error_map(diffusion, damping=1e9)
    same = pk.correct(diffusion, found)
    assert same.theta is diffusion.theta and same.model is diffusion.model
    assert same.notes[-1].startswith("not corrected: ") and "not to be trusted" in same.notes[-1]
    with pytest.raises(ValueError, match="belongs to another solution"):
        pk.correct(replace(diffusion), found)


def test_the_residual_is_judged_with_the_problems_weight() -> None:
    problem = pk.problem("cavity", reynolds=10)
    model = pk.Model(problem, pk.MLP(2, 6, 3))
    solution = pk.Solution(model, model.initial(0), pk.sample(problem, 30))
    points = {key: problem.sample(key, 200, method="random", seed=1) for key in model.keys}
    stack, at = TangentSpace(solution).stack({key: points[key] for key in model.keys}, torch.zeros_like(solution.theta))
    r, w = stack.values(at), points["pde"].weights
    assert w is not None and float(w.min()) < 0.5 < 1 < float(w.max())
    equations = torch.stack([r.abs()[200 * k : 200 * (k + 1)] for k in range(3)])
    assert math.isclose(mean_size(stack, r), float((equations @ w).sum() / 200), rel_tol=1e-12)  # not the gauge
    twice = replace(solution, weights={"continuity": 4.0})
    heavy, _ = TangentSpace(twice).stack({key: points[key] for key in model.keys}, torch.zeros_like(solution.theta))
    continuity = float(equations[2] @ w) / 200
    assert math.isclose(mean_size(heavy, r), mean_size(stack, r) + continuity, rel_tol=1e-12)


def test_coefficients_are_corrected_too() -> None:
    stages = [pk.Adam(150, lr=5e-3), pk.SSBroyden(100)]
    solution = pk.solve(pk.problem("heat_inverse"), pk.MLP(2, 12, 12, 1), stages=stages, progress=False)
    better = pk.correct(solution)
    assert abs(better.unknowns["D"] - 0.3) < 0.05 * abs(solution.unknowns["D"] - 0.3)


def test_soft_conditions_on_a_body() -> None:
    disk = pk.problem("poisson_disk", sigma=0.3)
    stages = [pk.Adam(100), pk.SSBroyden(150)]
    solution = pk.solve(disk, pk.MLP(2, 12, 12, 1), 300, stages=stages, hard=False, progress=False)
    better = pk.correct(solution)
    assert better.errors()["u"]["relative_l2"] < 0.1 * solution.errors()["u"]["relative_l2"]


def test_single_precision_becomes_double(diffusion: pk.Solution) -> None:
    half = replace(diffusion, theta=diffusion.theta.float(), points=diffusion.points.to(torch.float32))
    better = pk.correct(half)
    assert better.theta.dtype == torch.float64 == better.points["pde"].X.dtype
    assert better.errors()["u"]["relative_l2"] < 1e-3 * half.errors()["u"]["relative_l2"]


def test_the_file_holds_a_corrected_solution(tmp_path: Path, better: pk.Solution) -> None:
    back = pk.load(pk.save(better, tmp_path / "better.h5"))
    X = better.problem.domain.sample(20, seed=1)
    assert torch.equal(back.theta, better.theta) and torch.equal(back(X), better(X))


class Bumps(nn.Module):
    """A module of one's own."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.outer = nn.Linear(2, 8, dtype=torch.float64), nn.Linear(8, 1, dtype=torch.float64)

    def forward(self, X: Tensor) -> Tensor:
        """(n, 2) to (n, 1)."""
        return self.outer(torch.tanh(self.inner(X)))


def test_a_module_of_ones_own(tmp_path: Path) -> None:
    problem = pk.problem("diffusion")
    network = pk.Module(Bumps(), fresh=True)
    points = {"pde": 200}
    solution = pk.solve(problem, network, points, stages=[pk.SSBroyden(60)], resample=None, progress=False)
    better = pk.correct(solution)
    assert isinstance(better.network, pk.Linearised)
    with pytest.warns(UserWarning, match="cannot hold Module"):
        path = pk.save(better, tmp_path / "own.h5")
    with pytest.raises(ValueError, match="give network="):
        pk.load(path)
    X = PointSet(problem.domain.sample(20, seed=1)).X
    assert torch.equal(pk.load(path, network=network)(X), better(X))


def test_the_shell(tmp_path: Path, diffusion: pk.Solution, capsys: pytest.CaptureFixture[str]) -> None:
    run = pk.save(diffusion, tmp_path / "run.h5")
    with pytest.raises(SystemExit) as stop:
        main(["correct", str(run), "--json"])
    out, complaint = capsys.readouterr()
    assert stop.value.code == 0, complaint
    said = json.loads(out)
    assert said["file"] == str(tmp_path / "run-corrected.h5")
    assert said["relative_l2"]["u"] < 1e-3 * diffusion.errors()["u"]["relative_l2"]
    out = tmp_path / "solved.h5"
    words = ["solve", "diffusion", "--network", "10", "--points", "pde=200", "--stages", "ssbroyden:80", "--correct",
             "--out", str(out), "--quiet", "--json"]  # fmt: skip
    for resume in ([], ["--resume"]):  # one that was killed after the correction is not corrected a second time
        with pytest.raises(SystemExit) as stop:
            main([*words, *resume])
        said = json.loads(capsys.readouterr().out)
        assert stop.value.code == 0 and "correction in the tangent space" in said["stop_reasons"][-1]
        assert "correction" not in said["stop_reasons"][-2]
        found = pk.load(out)
        assert isinstance(found.network, pk.Linearised) and isinstance(found.network.network, pk.MLP)


def test_a_linearised_network_must_fit() -> None:
    with pytest.raises(ValueError, match="cannot stand at"):
        pk.Linearised(pk.MLP(2, 4, 1), torch.zeros(3)).build(pk.problem("diffusion").domain)
