"""What CONTRIBUTING says can be added is added here, in 20 lines at most, by public means, and used."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sympy as sp
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

import pinnkit as pk
from pinnkit.certificate import theorems
from pinnkit.certificate.theorem.bound import Bound, Theorem
from pinnkit.certificate.theorem.form import Form
from pinnkit.certificate.theorem.misfit import Misfits
from pinnkit.model.quantity.base import Functional
from pinnkit.network.base import FeatureMap, Network
from pinnkit.network.features.inversion import Formulas
from pinnkit.training.optim.stage import Objective, State, Step

PIECES: list[Any] = []


def piece(thing: Any) -> Any:
    """Noted, so that its length is counted."""
    PIECES.append(thing)
    return thing


@piece
def rod() -> pk.Problem:
    """A problem: -u_xx = pi^2 sin(pi x) on [0, 1], u = 0 at the ends."""
    (x,) = pk.coordinates("x")
    u = pk.field("u", x)
    sine = sp.sin(sp.pi * x)
    return pk.Problem(
        name="rod",
        fields=u,
        equations=u.diff(x, 2) + sp.pi**2 * sine,
        domain=pk.Box(x=(0, 1)),
        conditions=[pk.Dirichlet(u, 0, on="x")],
        reference=sine,
        recipe=pk.Recipe(network=pk.MLP(1, 8, 1), points={"pde": 40}, stages=[pk.SSBroyden(60)], resample=None),
    )


@piece
@pk.register
@dataclass(frozen=True)
class Siren(Network):
    """A network: sines of high frequency, with their own initial weights (Sitzmann et al. 2020)."""

    inputs: int
    width: int = 10
    frequency: float = 3.0

    def build(self, domain: Any) -> Any:
        """The evaluator of an ordinary network of sines."""
        return pk.MLP(self.inputs, self.width, 1, activation="sin").build(domain)

    def initial(self, domain: Any, seed: int, dtype: torch.dtype = torch.float64) -> Tensor:
        """Uniform weights, those of the first layer times the frequency, shape (P,)."""
        theta = torch.rand(self.build(domain).count, generator=torch.Generator().manual_seed(seed), dtype=dtype) - 0.5
        theta[: self.inputs * self.width] *= self.frequency
        return theta


@piece
@pk.register
@dataclass(frozen=True)
class Powers(FeatureMap):
    """A feature map: the powers of every coordinate up to an order."""

    order: int = 3

    def build(self, domain: Any) -> Formulas:
        """The features as expressions: their derivatives follow."""
        variables = sp.symbols(domain.names, real=True)
        return Formulas(tuple(x**k for x in variables for k in range(1, self.order + 1)), tuple(variables))


@piece
@pk.register
@dataclass(frozen=True)
class HeavyBall:
    """An optimiser: the gradient with momentum (Polyak 1964)."""

    iterations: int
    lr: float = 1e-4
    momentum: float = 0.9

    def start(self, theta: Tensor, objective: Objective) -> State:
        """At rest."""
        return {"velocity": torch.zeros_like(theta)}

    def step(self, theta: Tensor, state: State, objective: Objective) -> tuple[Tensor, State, Step]:
        """One step."""
        losses, gradient = objective.loss_and_gradient(theta)
        velocity = self.momentum * state["velocity"] - self.lr * gradient
        return theta + velocity, {"velocity": velocity}, Step(losses)

    def renew(self, state: Mapping[str, Any]) -> State:
        """The velocity stays."""
        return dict(state)


@piece
@pk.register
def middle(solution: pk.Solution, key: str, candidates: Any) -> Tensor:
    """A score: the residual, twice as much where x < 1/2."""
    return pk.residual_score(solution, key, candidates) * (1 + (candidates.X[:, 0] < 0.5))


@piece
@dataclass(frozen=True)
class Rise(Functional):
    """A functional: u(b) - u(a)."""

    a: float
    b: float

    @property
    def names(self) -> tuple[str, ...]:
        """One name."""
        return (f"u({self.b:g}) - u({self.a:g})",)

    def linearise(self, solution: pk.Solution) -> tuple[Tensor, Tensor]:
        """Value (1,) and gradient (1, P)."""
        values, gradients = pk.at("u", x=[self.a, self.b]).linearise(solution)
        return values[1:] - values[:1], gradients[1:] - gradients[:1]


@piece
def ends(f: Form) -> Theorem | None:
    """A theorem: u'' = g on [0, L] between Dirichlet ends, v'' = g + r: |u - v| <= misfit of the ends + L |r|_1 / 4.

    Proof: e = u - v - (the line through the misfits of the ends) is int G r with Green's function |G| <= L / 4.
    """
    if f.order or len(f.problem.variables) != 1 or set(f.coefficients or ()) != {(2,)}:
        return None
    f.dirichlet()

    def bound(m: Misfits) -> list[Bound]:
        miss = max(m.wall(held[0], face).sup for face, held in f.held.items())
        return [Bound("sup", miss + f.sides[0] / 4 * m.residual().l1, "Green's function of u''")]

    return bound


@piece
def spring(u: Any, x: sp.Symbol, stiffness: float, on: str) -> pk.Operator:
    """A condition: u_x + k (u + u^3) = 0, a spring that hardens."""
    return pk.Operator(f"spring on {on}", u.diff(x) + stiffness * (u + u**3), on)


@piece
def plot_residual(solution: pk.Solution, ax: Axes | None = None) -> Axes:
    """A picture: the residual over x."""
    ax = ax or Figure().add_subplot()
    points = solution.problem.sample("pde", 200, seed=0)
    x, order = points.X[:, 0], points.X[:, 0].argsort()
    ax.semilogy(x[order], solution.rows("pde", points)[0].abs()[order])
    ax.set(xlabel="x", ylabel="|residual|")
    return ax


@piece
class Settled:
    """A callback: the run ends where u(1/2) has settled."""

    def __init__(self, within: float) -> None:
        self.within, self.seen = within, [0.0]

    def on_log(self, solution: pk.Solution) -> Any:
        """Stop where two values in a row agree."""
        self.seen.append(float(solution(torch.tensor([[0.5]]).double())[0, 0]))
        return pk.STOP if abs(self.seen[-1] - self.seen[-2]) < self.within else None


@pytest.fixture(scope="module")
def solved() -> pk.Solution:
    """The rod, solved as its recipe says."""
    return pk.solve(rod(), progress=False)


def wrong(solution: pk.Solution) -> float:
    """The relative L2 error of u."""
    return solution.errors()["u"]["relative_l2"]


def test_pieces_are_short() -> None:
    lengths = {p.__name__: sum(map(bool, map(str.strip, inspect.getsource(p).splitlines()))) for p in PIECES}
    assert len(lengths) == 10 and max(lengths.values()) <= 20, lengths


def test_a_problem_in_one_file(tmp_path: Path, call: Callable[..., tuple[int, str, str]]) -> None:
    head = "import sympy as sp\nimport pinnkit as pk\n\n"
    (tmp_path / "rod.py").write_text(head + inspect.getsource(rod).replace("@piece\n", ""), encoding="utf-8")
    assert pk.from_file(tmp_path / "rod.py").name == "rod"
    code, printed, _ = call("solve", "rod.py", "--out", "run.h5", "--quiet")
    assert code == 0 and "relative L2 error of u" in printed
    assert wrong(pk.load(tmp_path / "run.h5", problem=rod())) < 1e-4


@pytest.mark.parametrize("network", [Siren(1), pk.MLP(1, 8, 1, features=Powers())], ids=["network", "features"])
def test_a_network_and_features_are_trained_and_kept(network: Any, tmp_path: Path) -> None:
    found = pk.solve(rod(), network, stages=[pk.LevenbergMarquardt(100)], progress=False)
    assert wrong(found) < 1e-4 and found.network == network
    again = pk.load(pk.save(found, tmp_path / "run.h5"))
    X = torch.linspace(0, 1, 5, dtype=torch.float64)[:, None]
    assert again.network == network and torch.equal(again(X), found(X))


def test_a_callback_ends_a_run() -> None:
    settled = Settled(1e-4)
    found = pk.solve(rod(), stages=[pk.SSBroyden(2000)], log_every=5, callbacks=[settled], progress=False)
    assert found.progress.total == 5 * (len(settled.seen) - 1) < 2000 and "stopped by Settled" in found.stops[-1]
    assert abs(settled.seen[-1] - 1) < 1e-2


def test_an_optimiser_is_trained_with_and_resumed(tmp_path: Path) -> None:
    stages, path = [HeavyBall(200)], tmp_path / "run.h5"

    def interrupt(solution: pk.Solution) -> None:
        if solution.progress.total == 90:
            raise KeyboardInterrupt

    pk.solve(rod(), stages=stages, progress=False, checkpoint=path, observe=interrupt)
    whole = pk.solve(rod(), stages=stages, progress=False)
    assert torch.equal(pk.resume(pk.load(path), progress=False).theta, whole.theta)
    loss = whole.history["loss"]
    assert loss[-1] < loss[0]


def test_a_score_draws_the_points_and_is_kept(tmp_path: Path) -> None:
    found = pk.solve(rod(), resample=pk.Resample(score=middle, every=20, warm_up=0, k=2.0), progress=False)
    assert float((found.points["pde"].X < 0.5).double().mean()) > 0.55
    assert pk.load(pk.save(found, tmp_path / "run.h5")).progress.plan.resample.score is middle


def test_a_functional_is_attributed_to_the_points(solved: pk.Solution) -> None:
    influence = pk.Influence(solved)
    both = influence.attribute([Rise(0.1, 0.6), pk.at("u", x=[0.1, 0.6])], correct=False).effects["pde"]
    assert torch.allclose(both[0], both[2] - both[1], atol=1e-12)


def test_a_theorem_bounds_the_error(solved: pk.Solution, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(theorems, "THEOREMS", [])  # ours would come first and bound it as well
    assert theorems.theorem(theorems.theorem(ends)) is ends and theorems.THEOREMS == [ends]
    certificate = pk.certify(solved, enclosed=True)
    (bound,) = [b for b in certificate.bounds if b.theorem.startswith("Green's function")]
    assert solved.errors()["u"]["max"] <= bound.value < 1e-3


def test_a_condition_is_met() -> None:
    (x,) = pk.coordinates("x")
    u = pk.field("u", x)
    ends = [pk.Dirichlet(u, 1, on="x_min"), spring(u, x, 0.5, "x_max")]  # u = 1 - c x, c = (v + v^3) / 2, v = u(1)
    bar = pk.Problem("bar", u, u.diff(x, 2), pk.Box(x=(0, 1)), ends)
    found = pk.solve(bar, pk.MLP(1, 6, 1), {"pde": 20}, stages=[pk.SSBroyden(200)], seed=0, progress=False)
    v = float(found(torch.ones(1, 1, dtype=torch.float64)))
    assert abs((1 - v) - 0.5 * (v + v**3)) < 1e-5


def test_a_picture_is_drawn(solved: pk.Solution, tmp_path: Path) -> None:
    ax = plot_residual(solved)
    assert np.isfinite(ax.lines[0].get_ydata()).all()
    assert pk.plot.save_picture(ax.figure, tmp_path / "residual.png").stat().st_size > 1000
