"""Error bars of coefficients, against closed-form least squares and repeated measurements."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import sympy as sp
import torch
from torch import Tensor, nn

import pinnkit as pk
from pinnkit.error.error_bars import Uncertainty


class Powers(nn.Module):
    """c_0 + c_1 x + ... + c_5 x^5 with trained coefficients."""

    def __init__(self) -> None:
        super().__init__()
        self.c = nn.Parameter(torch.zeros(6, dtype=torch.float64))

    def forward(self, X: Tensor) -> Tensor:
        """(n, 1) to (n, 1)."""
        return (X ** torch.arange(6, dtype=X.dtype)) @ self.c[:, None]


def line(values: dict[str, tuple[Tensor, Tensor]], equation: float = 1.0) -> pk.Solution:
    """u'' = q x, so that u = a + b x + q x^3 / 6; a model that is linear in parameters that nobody trained."""
    (x,) = pk.coordinates("x")
    u, q = pk.field("u", x), sp.Symbol("q")
    data = [pk.Observations(u, X, y, name=name) for name, (X, y) in values.items()]
    problem = pk.Problem("line", u, u.diff(x, 2) - q * x, pk.Box(x=(-1, 1)), data, unknowns={"q": 0.3})
    model = pk.Model(problem, pk.Module(Powers()))
    points = pk.sample(problem, 20)
    return pk.Solution(model, model.initial(0), points, {"pde": equation})


def measured(n: int, sd: float, seed: int) -> tuple[Tensor, Tensor]:
    """Readings of 1 - x + x^3 / 3 (q = 2)."""
    noise = torch.Generator().manual_seed(seed)
    X = 2 * torch.rand(n, 1, generator=noise, dtype=torch.float64) - 1
    x = X[:, 0]
    return X, 1 - x + x**3 / 3 + sd * torch.randn(n, generator=noise, dtype=torch.float64)


def least_squares(X: Tensor, y: Tensor) -> tuple[np.ndarray, np.ndarray, float]:
    """Coefficients of 1, x, x^3 / 6, their covariance for noise 1, and the noise that is left."""
    A = torch.cat([X**0, X, X**3 / 6], 1).numpy()
    c, (rest,), *_ = np.linalg.lstsq(A, y.numpy(), rcond=None)
    return c, np.linalg.inv(A.T @ A), math.sqrt(rest / (len(y) - 3))


def test_where_the_equation_weighs_enough_the_covariance_is_that_of_least_squares() -> None:
    X, y = measured(40, 0.1, 0)
    c, covariance, sd = least_squares(X, y)
    at = 0.4
    found = pk.uncertainty(line({"data": (X, y)}, equation=1e10), [pk.Unknown("q"), pk.at("u", x=at)], damping=1e-12)
    row = np.array([[0, 0, 1], [1, at, at**3 / 6]])
    assert found.noise["data"] == pytest.approx(sd, rel=1e-7)
    assert found.degrees_of_freedom == pytest.approx(37, rel=1e-7)
    assert found.corrected.numpy() == pytest.approx(row @ c, rel=1e-6)
    assert found.covariance.numpy() == pytest.approx(sd**2 * row @ covariance @ row.T, rel=1e-6)


def test_a_linear_model_has_the_covariance_of_its_own_estimator() -> None:
    """With any weights the estimate is linear in the readings, q = L y: L comes from minimising for unit readings."""
    (X, y), weight, n = measured(12, 0.1, 0), 0.3, 50
    solution = line({"data": (X, y)}, equation=weight)
    found = pk.uncertainty(solution, n=n, damping=1e-18)
    x = solution.problem.sample("pde", n, seed=0).X[:, 0]
    k = torch.arange(6.0, dtype=torch.float64)
    basis = X**k
    second = torch.where(k > 1, k * (k - 1) * x[:, None] ** (k - 2).clamp_min(0), 0.0)
    A = np.block([[np.sqrt(1 / 12) * basis.numpy(), np.zeros((12, 1))],
                  [np.sqrt(weight / n) * second.numpy(), -np.sqrt(weight / n) * x[:, None].numpy()]])  # fmt: skip
    rights = np.concatenate([np.sqrt(1 / 12) * np.eye(12), np.zeros((n, 12))])
    M = np.linalg.lstsq(A, rights, rcond=None)[0]  # (7, 12): parameters by readings
    rest = np.eye(12) - basis.numpy() @ M[:6]
    sd = np.linalg.norm(rest @ y.numpy()) / np.linalg.norm(rest)
    assert found.degrees_of_freedom == pytest.approx(np.linalg.norm(rest) ** 2, rel=1e-10)
    assert found.noise["data"] == pytest.approx(sd, rel=1e-10)
    assert float(found.corrected) == pytest.approx(M[6] @ y.numpy(), rel=1e-10)
    assert float(found.sd) == pytest.approx(sd * np.linalg.norm(M[6]), rel=1e-10)
    assert found.sensitivity < found.sd


def test_noise_can_be_given_and_differs_by_term() -> None:
    good, poor = measured(400, 0.05, 1), measured(300, 0.2, 2)
    solution = line({"good": good, "poor": poor}, equation=1e10)
    found = pk.uncertainty(solution)
    assert found.noise == {"good": pytest.approx(0.05, rel=0.15), "poor": pytest.approx(0.2, rel=0.15)}
    given = pk.uncertainty(solution, noise={"good": 0.05, "poor": 0.2}, damping=1e-12)
    assert math.isinf(given.degrees_of_freedom) and given.noise == {"good": 0.05, "poor": 0.2}
    X = torch.cat([good[0], poor[0]])
    A = torch.cat([X**0, X, X**3 / 6], 1)  # weights 1 / N, as trained: not the best ones, but those that were used
    w = torch.cat([torch.full((400,), 1 / 400), torch.full((300,), 1 / 300)]).double()
    s = torch.cat([torch.full((400,), 0.05), torch.full((300,), 0.2)]).double()
    S = torch.linalg.solve(A.T @ (w[:, None] * A), A.T * w)
    assert float(given.sd[0]) == pytest.approx(float((S[2] * s).norm()), rel=1e-6)


def test_intervals_widen_with_level_doubt_and_few_readings() -> None:
    one = torch.ones(1, dtype=torch.float64)
    found = Uncertainty(("q",), 1.1 * one, one, one[None], 0 * one, {"data": 0.1}, math.inf, 1e-9, 10)
    assert found.interval().tolist()[0] == pytest.approx([1 - 1.959964, 1 + 1.959964], rel=1e-6)
    assert float(found.shift) == pytest.approx(0.1)
    assert replace(found, degrees_of_freedom=3.0).half_width() == pytest.approx(3.182446, rel=1e-6)
    assert replace(found, sensitivity=one).half_width(0.5) == pytest.approx(math.hypot(1, 0.6744898), rel=1e-6)
    wide = replace(found, effective=3.0 * one, bias=0.5 * one)
    assert wide.half_width() == pytest.approx(3.182446 + 0.5, rel=1e-6)
    assert "q: 1.1 trained; 1.0 +- 2.0e+00 (95 %), corrected" in str(found) and "given" in str(found)
    with pytest.raises(ValueError, match="level is 95"):
        found.interval(95)


def test_noise_that_is_not_white_is_said_and_widens_the_interval() -> None:
    """Readings in the order of their places, each with half of its neighbour's error; and readings of unequal noise."""
    X, y = measured(120, 0.0, 0)
    order = X[:, 0].argsort()
    X, y, e = X[order], y[order], torch.randn(120, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    for i in range(1, 120):
        e[i] = 0.8 * e[i - 1] + 0.6 * e[i]
    found = pk.uncertainty(line({"data": (X, y + 0.1 * e)}, equation=1e10), damping=1e-12)
    assert len(found.notes) == 1 and "residuals of data are correlated" in found.notes[0]
    assert f"note: {found.notes[0]}" in str(found) and found.to_dict()["notes"] == list(found.notes)
    assert (
        found.sd[0] > 1.5 * found.white_covariance[0, 0] ** 0.5 and "offset of data" not in found.p_values
    )  # u = a + ... has it
    loud = 0.01 + X[:, 0] ** 2
    noisy = y + 0.1 * loud * torch.randn(120, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    found = pk.uncertainty(line({"data": (X, noisy)}, equation=1e10), damping=1e-12)
    assert len(found.notes) == 1 and "heteroscedastic" in found.notes[0]
    A = torch.cat([X**0, X, X**3 / 6], 1).numpy()
    H = A @ np.linalg.inv(A.T @ A)
    P = np.eye(120) - H @ A.T
    e2 = (P @ noisy.numpy()) ** 2 / P.diagonal()
    assert float(found.covariance[0, 0]) == pytest.approx(((H.T * e2) @ H)[2, 2], rel=1e-5)


def test_noise_that_is_given_wrongly_is_said() -> None:
    X, y = measured(60, 0.1, 4)
    found = pk.uncertainty(line({"data": (X, y)}, equation=1e10), noise=0.03)
    assert "times as large as the noise that was given" in found.notes[0]
    assert float(found.sd) == pytest.approx(float(pk.uncertainty(line({"data": (X, y)}, equation=1e10)).sd), rel=1e-2)
    assert not pk.uncertainty(line({"data": (X, y)}, equation=1e10), noise=0.1).notes


@pytest.fixture(scope="module")
def rod() -> pk.Solution:
    """Trained a little on noisy readings."""
    problem = pk.problem("heat_inverse", noise=0.02, seed=3)
    stages = [pk.Adam(150, lr=3e-3), pk.SSBroyden(60)]
    return pk.solve(problem, pk.MLP(2, 10, 10, 1), {"pde": 150}, stages=stages, progress=False)


def best(problem: pk.Problem, D: float = 0.3) -> tuple[float, float]:
    """The diffusivity by least squares in the closed form, and its standard deviation for noise 1."""
    points = problem.sample("readings", 1)
    x, t = points.X.unbind(1)
    for _ in range(30):
        u = torch.exp(-D * math.pi**2 * t) * torch.sin(math.pi * x)
        slope = -(math.pi**2) * t * u
        D += float(slope @ (points.columns["readings_value"] - u) / (slope @ slope))
    return D, 1 / float(slope.norm())


def test_what_training_left_undone_is_corrected(rod: pk.Solution) -> None:
    found, (D, sd) = pk.uncertainty(rod), best(rod.problem)
    assert float(found.corrected) == pytest.approx(D, abs=0.05 * float(found.sd))
    assert float(found.sd) == pytest.approx(sd * found.noise["readings"], rel=0.03)
    assert found.noise["readings"] == pytest.approx(0.02, rel=0.3) and 45 < found.degrees_of_freedom < 50
    assert found.sensitivity < 0.1 * found.sd
    json.dumps(found.to_dict())


def test_intervals_cover_the_truth(rod: pk.Solution) -> None:
    """40 times other noise, each trained on from the same rough model: 36 to 40 of 40 have a probability of 0.99."""
    inside, spread = 0, []
    for seed in range(40):
        problem = pk.problem("heat_inverse", noise=0.02, seed=100 + seed)
        start = pk.Solution(replace(rod.model, problem=problem), rod.theta, pk.sample(problem, {"pde": 150}))
        solution = pk.solve(start=start, stages=[pk.SSBroyden(10)], resample=None, progress=False)
        found = pk.uncertainty(solution)
        low, high = found.interval().tolist()[0]
        inside += low <= 0.3 <= high
        spread.append((float(found.corrected) - 0.3) / float(found.sd))
    assert inside >= 35
    assert 0.7 < np.std(spread) < 1.4 and abs(np.mean(spread)) < 0.5


def test_what_cannot_be_answered_is_said(rod: pk.Solution) -> None:
    flow = pk.Model(pk.problem("kovasznay"), pk.MLP(2, 4, 3))
    blind = pk.Solution(flow, flow.initial(0), pk.sample(flow.problem, 20))
    with pytest.raises(ValueError, match="no unknown coefficients"):
        pk.uncertainty(blind)
    with pytest.raises(ValueError, match="no observations"):
        pk.uncertainty(blind, pk.at("u", x=0.2, y=0.1))
    for settings, said in (({"noise": 0.0}, "noise=0.0"), ({"noise": {"other": 1.0}}, "each of readings"),
                           ({"n": 0}, "n is 0"), ({"damping": -1.0}, "damping is -1.0")):  # fmt: skip
        with pytest.raises(ValueError, match=said):
            pk.uncertainty(rod, **settings)
    with pytest.raises(ValueError, match="can fit all 4 measurements"):
        pk.uncertainty(line({"data": measured(4, 0.1, 0)}, equation=0.0))


def test_a_report_has_error_bars(rod: pk.Solution) -> None:
    found, bars = pk.report(rod), pk.uncertainty(rod)
    assert found.error_bars["values"] == bars.to_dict()["values"]
    assert dict(found.rows())["coefficient D"] == bars.texts()["D"]
    json.dumps(found.to_dict())
    assert pk.report(rod, estimate=False).error_bars == {}


def test_a_coefficient_that_nothing_determines_has_no_error_bar() -> None:
    (x,) = pk.coordinates("x")
    u, q, s = pk.field("u", x), sp.Symbol("q"), sp.Symbol("s")
    X, y = measured(60, 0.01, 3)

    def found(source: sp.Expr, *of: str) -> Uncertainty:
        problem = pk.Problem("line", u, u.diff(x, 2) - source, pk.Box(x=(-1, 1)), [pk.Observations(u, X, y)],
                             unknowns={"q": 1.5, "s": 1.0})  # fmt: skip
        model = pk.Model(problem, pk.Module(Powers()))
        trained = pk.Solution(model, model.initial(0), pk.sample(problem, 20), {"pde": 1e6})
        return pk.uncertainty(trained, [pk.Unknown(name) for name in of])

    for source in ((q + s) * x, q * s * x):
        bars = found(source, "q", "s")
        assert torch.isinf(bars.half_width()).all()
        assert "determine q, s" in bars.notes[0] and "not determined" in bars.texts()["q"]
    apart = found(q * x + s, "q", "s")  # u'' = 2 x: q = 2, s = 0
    low, high = apart.interval().T
    assert (low < torch.tensor([2.0, 0.0])).all() and (torch.tensor([2.0, 0.0]) < high).all()
    assert (apart.half_width() < 0.2).all() and not apart.notes
    alone = found(q * x + s, "q")
    torch.testing.assert_close(alone.half_width()[0], apart.half_width()[0])
