"""What a verdict says of models whose residuals do not see the error, and the amplification it goes by."""

import math
from dataclasses import replace

import numpy as np
import pytest
import sympy as sp
import torch
from torch import Tensor, nn

import pinnkit as pk
from pinnkit import plot
from pinnkit.error.amplification import amplification, stepped
from pinnkit.error.estimator import _Search
from pinnkit.error.tangent_space import TangentSpace
from pinnkit.error.verdict import ErrorParts, Evidence, verdict
from pinnkit.model.data_misfit import missed_data
from pinnkit.model.march import window


class Sines(nn.Module):
    """sum c_k sin(k pi x), k = 1 ... 8."""

    def __init__(self) -> None:
        super().__init__()
        self.c = nn.Parameter(torch.ones(8, dtype=torch.float64))

    def forward(self, X: Tensor) -> Tensor:
        """(n, 1) to (n, 1)."""
        return torch.sin(math.pi * X * torch.arange(1, 9)) @ self.c[:, None]


def test_amplification_is_that_of_the_inverse_operator() -> None:
    """-u'' - 5 u on [-1, 1] with u = 0 at the ends: |u| <= |r| / (pi^2 - 5), and 1 / |k^2 pi^2 - 5| by mode."""
    (x,) = pk.coordinates("x")
    u = pk.field("u", x)
    problem = pk.Problem("modes", u, -u.diff(x, 2) - 5 * u, pk.Box(x=(-1, 1)), [pk.Dirichlet(u, 0)])
    model = pk.Model(problem, pk.Module(Sines()), hard=False)
    solution = pk.Solution(model, model.initial(0), pk.sample(problem, 50))
    space, zero = TangentSpace(solution), torch.zeros(8, dtype=torch.float64)
    sets = {key: problem.sample(key, 128, seed=1) for key in model.keys}
    X = problem.domain.sample(128, seed=2)
    look = amplification(space, sets, X, torch.arange(8), zero, torch.ones(1, dtype=torch.float64))
    by_mode = sorted(1 / ((k * math.pi) ** 2 - 5) for k in range(1, 9))
    assert float(look.largest) == pytest.approx(by_mode[-1], rel=0.02)
    assert by_mode[3] * 0.98 < float(look.typical) < by_mode[4] * 1.02
    first = look.blind / look.blind.norm()
    assert abs(float(first[0])) > 0.99 and float(look.blind.norm()) == pytest.approx(math.sqrt(2), rel=0.03)
    assert float(look.again) == pytest.approx(2.0, rel=0.02)  # eight modes of rms 1 / 2^1/2: all of u is wrong
    moved, size = stepped(solution, look.blind, X, 0.02)
    change = (moved(X) - solution(X)).norm() / solution(X).norm()
    assert size == pytest.approx(float(change)) == pytest.approx(0.02 / 2.0, rel=0.05)  # |u| = 2
    assert stepped(solution, 1e5 * look.blind, X, 0.02)[1] <= 0.04  # halved until it is small


def test_data_that_the_ansatz_misses_are_measured() -> None:
    x, t = pk.coordinates("x t")
    u = pk.field("u", x, t)
    bell = sp.exp(-12 * x**2)  # exp(-12) at the walls, where u = 0: lifted away
    problem = pk.Problem("clash", u, u.diff(t, 2) - u.diff(x, 2), pk.Box(x=(-1, 1), t=(0, 1)),
                         [pk.Initial(u, bell), pk.Initial(u, 0, order=1), pk.Dirichlet(u, 0, on="x")])  # fmt: skip
    model = pk.Model(problem, pk.MLP(2, 6, 1), hard=True)
    theta = model.initial(0)
    solution = pk.Solution(model, theta, pk.sample(problem, 30))
    X = torch.stack([torch.linspace(-1, 1, 2001), torch.zeros(2001)], 1).double()
    gap = solution(X)[:, 0] - torch.exp(-12 * X[:, 0] ** 2)
    assert 2e-6 < float(gap.square().mean().sqrt()) < 8e-6
    assert float(missed_data(model, theta)) == pytest.approx(float(gap.square().mean().sqrt()), rel=0.05)
    found = pk.error_map(solution)
    assert found.parts["u"]["missed"] > 2e-6 and found.relative_l2["u"] >= found.parts["u"]["missed"]
    soft = pk.Model(problem, pk.MLP(2, 6, 1), hard=False)
    assert float(missed_data(soft, soft.initial(0))) == 0.0


def test_a_metastable_interface_is_undetermined() -> None:
    """eps^2 u'' + u - u^3 = 0, u(+-1) = +-1: the interface drifts by exp(-2 sqrt(2) / eps), which no residual sees."""
    (x,) = pk.coordinates("x")
    u = pk.field("u", x)
    problem = pk.Problem("interface", u, 0.0049 * u.diff(x, 2) + u - u**3, pk.Box(x=(-1, 1)),
                         [pk.Dirichlet(u, -1, on="x_min"), pk.Dirichlet(u, 1, on="x_max")])  # fmt: skip
    stages = [pk.Adam(100, lr=2e-3), pk.SSBroyden(100)]
    solution = pk.solve(problem, pk.MLP(1, 14, 14, 1), 200, stages=stages, resample=None, progress=False)
    for model in (solution, pk.correct(solution)):
        found = pk.error_map(model)
        assert "leave u undetermined" in found.verdict and found.interval["u"][1] > 0.003
        assert found.parts["u"]["blind"] > 0.003 > 10 * found.parts["u"]["left"]
    X = torch.linspace(-1, 1, 201).double()[:, None]
    change, slope = found.unseen(X)[:, 0], solution.jet(X, "u_x")
    assert abs(float(change @ slope / (change.norm() * slope.norm()))) > 0.9  # the interface moves


@pytest.mark.parametrize("weight", [1.0, 1e-10, 1e-26])
def test_an_inflow_that_weighs_nothing_is_seen(weight: float) -> None:
    x, t = pk.coordinates("x t")
    u = pk.field("u", x, t)
    exact = sp.sin(3 * (x - t))
    inflow = pk.Dirichlet(u, exact.subs(x, 0), on="x_min", weight=weight)
    problem = pk.Problem("inflow", u, u.diff(t) + u.diff(x), pk.Box(x=(0, 1), t=(0, 1)),
                         [pk.Initial(u, exact.subs(t, 0)), inflow], reference=exact)  # fmt: skip
    stages = [pk.Adam(200, lr=5e-3), pk.SSBroyden(200)]
    solution = pk.solve(problem, pk.MLP(2, 10, 10, 1), 300, hard=False, stages=stages, resample=None, progress=False)
    found = pk.error_map(solution)
    if weight == 1e-26:
        assert "leave u undetermined" in found.verdict
    else:  # training hardly sees 1e-10, the correction does: a model moved along the blind direction comes back
        assert found.trusted
        assert found.relative_l2["u"] == pytest.approx(solution.errors()["u"]["relative_l2"], rel=0.05)


def test_a_constant_that_nothing_fixes_is_seen() -> None:
    """u'' = f with slopes at both ends, and a value that weighs nothing: every constant may be added."""
    (x,) = pk.coordinates("x")
    u = pk.field("u", x)
    exact = sp.cos(math.pi * x)
    problem = pk.Problem("slopes", u, u.diff(x, 2) - exact.diff(x, 2), pk.Box(x=(0, 1)),
                         [pk.Neumann(u, 0), pk.Dirichlet(u, 1, on="x_min", weight=1e-30)])  # fmt: skip
    stages = [pk.Adam(100, lr=5e-3), pk.SSBroyden(100)]
    solution = pk.solve(problem, pk.MLP(1, 10, 10, 1), 100, hard=False, stages=stages, resample=None, progress=False)
    for model in (solution, pk.correct(solution)):
        found = pk.error_map(model)
        assert "leave u undetermined" in found.verdict
    X = torch.linspace(0, 1, 50).double()[:, None]
    change = found.unseen(X)
    assert float(change.std() / change.mean().abs()) < 1e-3
    titles = [ax.get_title() for ax in plot.error_figure(found).axes]
    assert "least noticed change of u" in titles[-1] and len(titles) == 3
    assert len(plot.error_figure(replace(found, verdict="trust")).axes) == 2


def test_signs_become_an_interval_and_words() -> None:
    good = ErrorParts(seen=1e-3, left=1e-5, again=2e-5)
    low, high = good.interval
    assert low < 1e-3 < high < 1.1e-3 and good.estimate == pytest.approx(1e-3, rel=1e-3)
    fine = Evidence(rows=3.0, left=0.01, nonlinear=0.0, moves=0.0, rounding=0.0, off=1.0)
    assert verdict({"u": good}, fine) == "trust"
    blind = ErrorParts(seen=1e-3, left=1e-5, again=2e-5, blind=0.02)
    assert blind.interval[0] == 0.0 and blind.interval[1] > 0.02
    lost = Evidence(rows=3.0, left=0.01, nonlinear=0.0, moves=0.0, rounding=0.0, off=1.0, undetermined=("u",))
    assert "leave u undetermined" in verdict({"v": good, "u": blind}, lost)
    lost = Evidence(rows=3.0, left=0.9, nonlinear=0.0, moves=0.0, rounding=0.0, off=50.0)
    assert "wrong basin" in verdict({"u": good}, lost)
    none = Evidence(rows=3.0, left=0.01, nonlinear=0.0, moves=0.0, rounding=0.0, off=1.0, nothing=("u",))
    assert "cannot be told from 0" in verdict({"u": good}, none)
    noisy = Evidence(
        rows=3.0, left=0.01, nonlinear=0.0, moves=0.0, rounding=0.0, off=1.0, noise_unknown="too few readings"
    )
    assert verdict({"u": good}, noisy).startswith("doubtful because the estimate is against the fit: too few")
    assert np.isfinite(ErrorParts(0.0, 0.0).interval).all()
    inferred = ErrorParts(seen=3e-5, left=1e-3)
    assert inferred.interval[0] <= 3e-5 < 1e-3 < inferred.interval[1]
    rounded = ErrorParts(seen=1e-15, left=1e-16, again=1e-16, rounded=3e-15)
    assert rounded.interval[0] < 1e-15 and rounded.interval[1] > 6e-15


def test_what_a_correction_leaves_counts_more_where_equations_are_not_linear() -> None:
    def said(error: float, left: float, **more) -> str:
        seen = Evidence(rows=3.0, left=left, nonlinear=0.0, moves=0.0, off=1.0, **{"rounding": 0.0} | more)
        return verdict({"u": ErrorParts(seen=error, left=error / 100, again=error / 100)}, seen)

    assert said(0.6, 0.4) == said(1e-3, 0.4) == "trust"  # linear: any error is found alike
    assert "more than 40% of its residual" in said(1e-3, 0.6)
    assert said(1e-3, 0.6, corrected=True) == said(1e-3, 0.6, rounding=0.9) == "trust"
    assert said(1e-3, 0.15, linear=False) == "trust"
    assert "more than 70% of its residual" in said(1e-3, 0.3, linear=False)
    assert said(1e-3, 0.9, linear=False, corrected=True) == "trust"
    assert said(0.2, 0.05, linear=False) == said(1e-3, 0.3, inverse=True) == "trust"
    assert "is too large for a linearisation" in said(0.2, 0.15, inverse=True)
    for error, left in ((0.2, 0.15), (0.6, 0.01)):
        for corrected in (False, True):
            assert "is too large for a linearisation" in said(error, left, linear=False, corrected=corrected)


def hardly(problem: pk.Problem, n: int = 150, width: int = 8) -> pk.Solution:
    """A model that was trained for 20 steps."""
    stages = [pk.SSBroyden(20)]
    return pk.solve(problem, pk.MLP(2, width, width, 1), n, stages=stages, resample=None, progress=False, validation=20)


@pytest.mark.parametrize(("D", "k", "a"), [(1e-3, 30, 0.1), (3e-3, 20, 0.05)])
def test_a_front_that_stays_behind_is_not_trusted(D: float, k: float, a: float) -> None:
    """u_t = D u_xx + k u (1 - u) (u - a): no small change of a slow front's model makes it fast."""
    x, t = pk.coordinates("x t")
    u = pk.field("u", x, t)
    exact = (1 + sp.tanh(-math.sqrt(k / 8 / D) * (x - 0.3 - math.sqrt(2 * D * k) * (0.5 - a) * t))) / 2
    problem = pk.Problem("front", u, u.diff(t) - D * u.diff(x, 2) - k * u * (1 - u) * (u - a),
                         pk.Box(x=(0, 1), t=(0, 1)), travelling(u, exact), reference=exact)  # fmt: skip
    solution = hardly(problem)
    assert solution.errors()["u"]["relative_l2"] > 0.1 and not pk.error_map(solution).trusted


def test_an_untrained_window_with_a_shock_is_not_trusted() -> None:
    x, t = pk.coordinates("x t")
    u = pk.field("u", x, t)
    exact = (1 - sp.tanh((x - t / 2 - 0.25) * 250)) / 2
    problem = pk.Problem("shock", u, u.diff(t) + u * u.diff(x) - u.diff(x, 2) / 1000, pk.Box(x=(0, 1), t=(0, 1)),
                         travelling(u, exact), reference=exact)  # fmt: skip
    solution = hardly(window(problem, 0, 1 / 3), 300, 12)
    assert solution.errors()["u"]["relative_l2"] > 0.1 and not pk.error_map(solution).trusted


def travelling(u: sp.Expr, exact: sp.Expr) -> list:
    """The conditions of a wave on [0, 1]."""
    x, t = u.args
    walls = [pk.Dirichlet(u, exact.subs(x, at), on=on) for at, on in ((0, "x_min"), (1, "x_max"))]
    return [*walls, pk.Initial(u, exact.subs(t, 0))]


@pytest.mark.parametrize(("eps", "width"), [(0.02, 8), (0.01, 10)])
def test_a_steep_layer_that_may_stand_anywhere_is_undetermined(eps: float, width: int) -> None:
    """eps u'' = u u', u(0) = 1, u(1) = -1 but for exp(-0.4 / eps), which fixes the layer's place."""
    (x,) = pk.coordinates("x")
    u = pk.field("u", x)
    exact = -sp.tanh((x - 0.6) / (2 * eps))
    walls = [pk.Dirichlet(u, exact.subs(x, at), on=on) for at, on in ((0, "x_min"), (1, "x_max"))]
    problem = pk.Problem("layer", u, eps * u.diff(x, 2) - u * u.diff(x), pk.Box(x=(0, 1)), walls, reference=exact)
    stages = [pk.Adam(100, lr=5e-3), pk.SSBroyden(100)]
    solution = pk.solve(problem, pk.MLP(1, width, width, 1), 60, hard=False, stages=stages, resample=None,
                        progress=False, validation=20)  # fmt: skip
    assert solution.errors()["u"]["relative_l2"] > 0.1 and "leave u undetermined" in pk.error_map(solution).verdict


def short(problem: pk.Problem, steps: int = 150) -> pk.Solution:
    stages = [pk.Adam(100, lr=5e-3), pk.SSBroyden(steps)]
    return pk.solve(problem, pk.MLP(1, 10, 10, 1), 100, stages=stages, resample=None, progress=False)


def test_a_second_branch_is_said() -> None:
    """u'' + e^u = 0, u(0) = u(1) = 0 has two solutions (Bratu); the reference is the larger one."""
    (x,) = pk.coordinates("x")
    u = pk.field("u", x)

    def branch(theta: float) -> sp.Expr:
        return -2 * sp.log(sp.cosh((x - 0.5) * theta / 2) / sp.cosh(theta / 4))

    problem = pk.Problem("bratu", u, u.diff(x, 2) + sp.exp(u), pk.Box(x=(0, 1)), [pk.Dirichlet(u, 0)],
                         reference=branch(10.938702772))  # fmt: skip
    solution = short(problem)
    lower = sp.lambdify(x, branch(1.5171645990507544), "numpy")(np.linspace(0, 1, 50))
    assert np.abs(solution(torch.linspace(0, 1, 50).double()[:, None])[:, 0].numpy() - lower).max() < 1e-3
    said = pk.report(solution)
    assert said.verdict == "trust" and any("second branch" in note for note in said.notes)


class Decay(nn.Module):
    """a + b exp(-200 x) on [0, 1], of which a module sees [-1, 1]."""

    def __init__(self) -> None:
        super().__init__()
        self.c = nn.Parameter(torch.ones(2, 1, dtype=torch.float64))

    def forward(self, X: Tensor) -> Tensor:
        """(n, 1) to (n, 1)."""
        return torch.cat([torch.ones_like(X), torch.exp(-100 * (X + 1))], 1) @ self.c


def test_an_error_in_a_layer_between_the_nodes_is_in_the_interval() -> None:
    (x,) = pk.coordinates("x")
    u = pk.field("u", x)
    problem = pk.Problem("layer", u, u.diff(x) + 200 * (u - 1), pk.Box(x=(0, 1)), [pk.Dirichlet(u, 2, on="x_min")])
    model = pk.Model(problem, pk.Module(Decay()), False)
    found = pk.error_map(pk.Solution(model, torch.tensor([1.0, 1.1]).double(), pk.sample(problem, 400)))
    low, high = found.interval["u"]
    true = 0.1 / math.sqrt(400) / math.sqrt(1 + 2 / 200 + 1 / 400)
    assert found.trusted and low <= true <= high < 5 * true
    assert found.relative_l2["u"] > 1.5 * true  # by the nodes alone


def test_a_field_that_a_change_takes_to_nothing_has_no_relative_error() -> None:
    """u'' / 50 + u - u^3 = 0 near u = 0: what a correction by Newton leaves is as its cube."""
    (x,) = pk.coordinates("x")
    u = pk.field("u", x)
    problem = pk.Problem("branches", u, u.diff(x, 2) / 50 + u - u**3, pk.Box(x=(0, 1)), [pk.Dirichlet(u, 0)])
    model = pk.Model(problem, pk.Module(Sines()), False)
    found = pk.error_map(pk.Solution(model, torch.full((8,), 1e-4, dtype=torch.float64), pk.sample(problem, 400)))
    assert "u cannot be told from 0" in found.verdict


def test_a_solution_that_is_zero_has_no_relative_error() -> None:
    (x,) = pk.coordinates("x")
    u = pk.field("u", x)
    problem = pk.Problem("nothing", u, -u.diff(x, 2) + u, pk.Box(x=(0, 1)), [pk.Dirichlet(u, 0)], reference=sp.S(0))
    solution = short(problem, 20)
    found, said = pk.error_map(solution), pk.report(solution)
    assert "u cannot be told from 0" in found.verdict and found.relative_l2["u"] <= 2
    assert math.isnan(solution.errors()["u"]["relative_l2"])
    assert "the reference is zero everywhere" in str(said) and "inf" not in str(said.to_dict()).replace("info", "")


@pytest.fixture(scope="module")
def noisy() -> pk.Solution:
    """u_t - u_xx = S f with an unknown strength S, and 40 readings with noise of .1."""
    x, t = pk.coordinates("x t")
    u, S = pk.field("u", x, t), sp.Symbol("S")
    exact = sp.exp(-t) * sp.sin(sp.pi * x)
    rng = np.random.default_rng(1)
    X = rng.uniform(size=(40, 2))
    y = np.exp(-X[:, 1]) * np.sin(np.pi * X[:, 0]) + 0.1 * rng.normal(size=40)
    readings = pk.Observations(u, torch.as_tensor(X), torch.as_tensor(y))
    problem = pk.Problem("source", u, u.diff(t) - u.diff(x, 2) - S * (sp.pi**2 - 1) * exact,
                         pk.Box(x=(0, 1), t=(0, 1)), [pk.Initial(u, sp.sin(sp.pi * x)), pk.Dirichlet(u, 0, on="x"),
                         readings], unknowns={"S": 0.5}, reference=exact)  # fmt: skip
    stages = [pk.Adam(200, lr=5e-3), pk.SSBroyden(150)]
    return pk.solve(problem, pk.MLP(2, 8, 8, 1), {"pde": 200}, stages=stages, resample=None, progress=False)


def test_the_noise_of_readings_is_part_of_the_interval(noisy: pk.Solution) -> None:
    found, true = pk.error_map(noisy), noisy.errors()["u"]["relative_l2"]
    sd = pk.uncertainty(noisy).sd[0]  # of S, by which u - exp(-t) sin(pi x) grows with a mode of its own
    low, high = found.interval["u"]
    assert found.trusted and low <= true <= high and low == 0.0
    assert 0.1 * sd < found.parts["u"]["noise"] < 1.5 * sd and found.parts["u"]["noise"] > 10 * found.parts["u"]["left"]
    kept = pk.correct(noisy)  # what is removed would be no more than what the noise brings
    assert kept.theta is noisy.theta and "not corrected: of the relative error of u" in kept.notes[-1]


@pytest.mark.parametrize(("away", "trusted"), [(1e-6, True), (1.0, False)])
def test_what_noise_leaves_open_anyhow_is_not_called_undetermined(
    noisy, monkeypatch, away: float, trusted: bool
) -> None:
    change = torch.tensor([away], dtype=torch.float64)
    monkeypatch.setattr(_Search, "_is_blind", lambda *_: True)
    monkeypatch.setattr(_Search, "_blind", lambda *_: (change, change > 0))
    assert pk.error_map(noisy).trusted is trusted


def test_noise_that_cannot_be_estimated_is_no_trust(noisy: pk.Solution, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments, **more) -> None:
        raise ValueError("the model can fit all measurements")

    monkeypatch.setattr("pinnkit.error.estimator.uncertainty", refuse)
    found = pk.error_map(noisy)
    assert found.verdict == "doubtful because the estimate is against the fit: the model can fit all measurements"
    assert found.parts["u"]["noise"] == 0


@pytest.mark.parametrize("end", [1.0, 1.1])
def test_conditions_that_contradict_each_other_are_not_trusted(end: float) -> None:
    """u' = 1 + pi cos(pi x) from 0 to ``end``: at 1 the second condition says the same, at 1.1 there is no solution."""
    (x,) = pk.coordinates("x")
    u = pk.field("u", x)
    ends = [pk.Dirichlet(u, 0, on="x_min"), pk.Dirichlet(u, end, on="x_max")]
    found = pk.error_map(
        short(pk.Problem("twice", u, u.diff(x) - 1 - sp.pi * sp.cos(sp.pi * x), pk.Box(x=(0, 1)), ends))
    )
    if end > 1:
        assert "1 condition more than its equation asks for, which may contradict" in found.verdict
    else:
        assert found.trusted and found.relative_l2["u"] < 1e-3
