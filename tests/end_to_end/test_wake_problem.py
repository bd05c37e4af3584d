"""The wake's inverse problem, on snapshots of a flow in closed form."""

from pathlib import Path

import numpy as np
import pytest
import sympy as sp
import torch
from scipy.io import savemat

import pinnkit as pk
import problems
from benchmarks.error.inverse import regressed
from pinnkit.statement.wake_data import load_wake

NU = 0.05


def vortices(x: np.ndarray, y: np.ndarray, t: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Taylor and Green's decaying vortices carried along by a stream: lambda1 = 1, lambda2 = 1/20."""
    decay, s = np.exp(-2 * NU * t), x - t
    u, v = 1 - decay * np.cos(s) * np.sin(y), decay * np.sin(s) * np.cos(y)
    return u, v, -(decay**2) / 4 * (np.cos(2 * s) + np.cos(2 * y))


@pytest.fixture(scope="module")
def snapshots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file such as that of the classical problem, with few points."""
    x, y, t = np.linspace(0, 3, 21), np.linspace(0, 3, 20), np.linspace(0, 1, 11)
    X = np.stack([a.ravel() for a in np.meshgrid(x, y)], 1)
    u, v, p = vortices(X[:, :1], X[:, 1:], t[None])
    path = tmp_path_factory.mktemp("wake") / "vortices.mat"
    savemat(path, {"U_star": np.stack([u, v], 1), "p_star": p, "t": t[:, None], "X_star": X})
    return path


@pytest.mark.parametrize("form", ["velocity", "stream"])
def test_the_equations_hold_for_a_flow_in_closed_form(snapshots: Path, form: str) -> None:
    problem = problems.wake(300, file=str(snapshots), form=form)
    x, y, t = problem.variables
    decay, s = sp.exp(-2 * t / 20), x - t
    exact = {
        "u": 1 - decay * sp.cos(s) * sp.sin(y), "v": decay * sp.sin(s) * sp.cos(y),
        "p": -(decay**2) / 4 * (sp.cos(2 * s) + sp.cos(2 * y)), "psi": y + decay * sp.cos(s) * sp.cos(y),
    }  # fmt: skip
    flow = {f: exact[str(f.func)] for f in problem.fields}
    for e in problem.equations.values():
        numbers = {q: {"lambda1": 1, "lambda2": sp.Rational(1, 20)}[q.name] for q in e.free_symbols - {x, y, t}}
        assert sp.simplify(e.subs(flow).doit().subs(numbers)) == 0
    assert problem.unknowns == {"lambda1": 0.0, "lambda2": 0.0}
    for name in "uv":
        assert sp.simplify(problem.outputs[name].subs(flow).doit() - exact[name]) == 0
    readings = problem.conditions[0]
    X, value = (sp.Matrix(list(map(float, row))) for row in (readings.X[0], readings.values[:1]))
    there = readings.u.subs(flow).doit().subs(dict(zip((x, y, t), X, strict=True)))
    assert float(there) == pytest.approx(float(value[0]), abs=1e-12)


def test_readings_are_of_the_snapshots_and_follow_seed_and_noise(snapshots: Path) -> None:
    def readings(**settings: float) -> tuple[torch.Tensor, torch.Tensor]:
        points = problems.wake(400, file=str(snapshots), **settings).sample("v readings", 1)
        return points.X, points.columns["v readings_value"]

    X, v = readings()
    assert np.allclose(v, vortices(*X.numpy().T)[1], atol=1e-14) and len(set(map(tuple, X.tolist()))) == 400
    Y, noisy = readings(noise=0.1)
    sd = load_wake(snapshots).v.std()
    assert torch.equal(X, Y) and float((noisy - v).std()) == pytest.approx(0.1 * sd, rel=0.2)
    assert torch.equal(readings(noise=0.1)[1], noisy) and not torch.equal(readings(seed=1)[0], X)
    with pytest.raises(ValueError, match="no form 'vortex'"):
        readings(form="vortex")
    with pytest.raises(ValueError, match="readings=5000"):
        problems.wake(file=str(snapshots))


def test_velocities_are_compared_with_the_snapshots(snapshots: Path) -> None:
    problem = problems.wake(300, file=str(snapshots))
    axes, X, mask, values = problem.reference.on_grid(problem.domain, ("u", "v", "p"))
    assert [len(a) for a in axes.values()] == [21, 20, 11] and bool(mask.all())
    u, v, _ = vortices(*X.numpy().T)
    assert np.allclose(values[:, :2], np.stack([u, v], 1)) and bool(values[:, 2].isnan().all())


def test_fields_alone_give_the_coefficients(snapshots: Path) -> None:
    assert regressed(load_wake(snapshots)) == pytest.approx({"lambda1": 1.0, "lambda2": NU}, rel=1e-4)


def test_a_little_training_and_its_correction_find_both_coefficients(snapshots: Path) -> None:
    problem = problems.wake(300, noise=0.01, weight=10.0, file=str(snapshots))
    stages = [pk.Adam(100, lr=1e-2, decay=0.3), pk.SSBroyden(200)]
    solution = pk.solve(problem, pk.MLP(3, 14, 14, 3), {"pde": 300}, stages=stages, resample=None, progress=False)
    found = pk.uncertainty(solution)
    truth = torch.tensor([1.0, NU], dtype=torch.float64)
    assert bool(((found.corrected - truth).abs() < 2 * found.half_width()).all())
    assert bool((found.half_width() < torch.tensor([0.03, 0.01])).all())
    assert solution.errors()["u"]["relative_l2"] < 0.02
