"""Data with jumps and kinks solved: their exact singular part is carried, against series and closed forms."""

import numpy as np
import pytest
import sympy as sp
import torch
from scipy.special import erf

import pinnkit as pk
from pinnkit.statement.symbolic.torch_program import Program

x, y, t = pk.coordinates("x y t")
u, w = pk.field("u", x, t), pk.field("w", x, y)
third = sp.Rational(1, 3)


def rod(data, *walls):
    walls = walls or (pk.Dirichlet(u, 0, on="x"),)
    domain = pk.Box(x=(0, 2), t=(0, 1))
    return pk.Problem("rod", u, u.diff(t) - u.diff(x, 2) / 4, domain, [pk.Initial(u, data), *walls])


def sines(b, rate=0.25, length=2.0, terms=600):
    """sum b(n) sin(n pi x / L) exp(-rate (n pi / L)^2 t)."""

    def value(X):
        k = np.arange(1, terms)[:, None] * np.pi / length
        return (b(k) * np.sin(k * X[:, 0]) * np.exp(-rate * k**2 * X[:, 1])).sum(0)

    return value


def hat(k, at=0.5, length=2.0):
    """Sine coefficients of the hat of height 1 at ``at``."""
    return 2 / (at * (length - at)) * np.sin(k * at) / k**2


def box(k, lo=0.5, hi=1.25):
    """Sine coefficients of 1 on an interval (of a length 2)."""
    return (np.cos(k * lo) - np.cos(k * hi)) / k


HAT = sp.Min(2 * x, (2 - x) * sp.Rational(2, 3))
BOX = sp.Piecewise((0, x < sp.S.Half), (1, x < sp.Rational(5, 4)), (0, True))
PLATE = pk.Box(x=(0, 2), y=(0, 1))


def plate(data, others=0):
    """Laplace's equation with data on the left side of a plate 2 x 1."""
    walls = [pk.Dirichlet(w, data, on="x_min"), pk.Dirichlet(w, others, on=("x_max", "y"))]
    return pk.Problem("plate", w, w.diff(x, 2) + w.diff(y, 2), PLATE, walls)


def in_plate(b, terms=400):
    def value(X):
        k = np.arange(1, terms)[:, None] * np.pi
        decay = (np.exp(-k * X[:, 0]) - np.exp(-k * (4 - X[:, 0]))) / (1 - np.exp(-4 * k))
        return (b(k) * np.sin(k * X[:, 1]) * decay).sum(0)

    return value


def string():
    """A damped string u_tt + 2 k u_t + k^2 u = u_xx: u = e^(-k t) times d'Alembert's solution with rate k u0."""
    k = sp.Rational(1, 4)
    data = sp.Min(4 * x, (1 - x) * 4 * third)
    equation = u.diff(t, 2) + 2 * k * u.diff(t) + k**2 * u - u.diff(x, 2)
    conditions = [pk.Initial(u, data), pk.Initial(u, -k * data, order=1), pk.Dirichlet(u, 0, on="x")]

    def value(X):
        def f(z):
            z = np.mod(z + 1, 2) - 1
            return np.sign(z) * np.minimum(4 * abs(z), (1 - abs(z)) * 4 / 3)

        return np.exp(-X[:, 1] / 4) * (f(X[:, 0] - X[:, 1]) + f(X[:, 0] + X[:, 1])) / 2

    return pk.Problem("string", u, equation, pk.Box(x=(0, 1), t=(0, 1.5)), conditions), value


def option():
    """A call struck at 1: V_t + S^2 V_SS / 32 + S V_S / 10 - V / 10 = 0, backward from t = 1/2."""
    S = sp.Symbol("S", real=True)
    V, half = pk.field("V", S, t), sp.S.Half
    equation = V.diff(t) + S**2 * V.diff(S, 2) / 32 + S * V.diff(S) / 10 - V / 10
    conditions = [
        pk.Dirichlet(V, sp.Max(S - 1, 0), on="t_max"), pk.Dirichlet(V, 0, on="S_min"),
        pk.Dirichlet(V, 3 - sp.exp((t - half) / 10), on="S_max"),
    ]  # fmt: skip

    def price(P):
        late, S = np.maximum(0.5 - P[:, 1], 1e-15), np.maximum(P[:, 0], 1e-15)
        width = 0.25 * np.sqrt(late)
        d = (np.log(S) + 0.1 * late) / width
        phi = [(1 + erf((d + sign * width / 2) / np.sqrt(2))) / 2 for sign in (1, -1)]
        return S * phi[0] - np.exp(-0.1 * late) * phi[1]

    return pk.Problem("call", V, equation, pk.Box.of({"S": (0, 3), "t": (0, half)}, time=None), conditions), price


CASES = {
    "hat": (rod(HAT), sines(hat), "heat kernels"),
    "hat as a callable": (rod(lambda x, t: torch.minimum(2 * x, (2 - x) * 2 / 3)), sines(hat), "heat kernels"),
    "box": (rod(BOX), sines(box, terms=4000), "heat kernels"),
    "cold walls": (rod(1), sines(lambda k: (1 - np.cos(2 * k)) / k, terms=4000), "heat kernels"),
    "kink on a side": (
        plate(sp.Min(4 * y, (1 - y) * 4 * third)), in_plate(lambda k: 2 * 16 / 3 * np.sin(k / 4) / k**2), "logarithm"),
    "hot side": (plate(1), in_plate(lambda k: 2 * (1 - np.cos(k)) / k, terms=4000), "angle"),
    "string": (*string(), "travelling waves"),
    "call": (*option(), "heat kernels"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_solved_to_four_digits(name):
    problem, exact, kind = CASES[name]
    stages = [pk.Adam(200), pk.SSBroyden(500 if name == "box" else 300)]
    s = pk.solve(problem, pk.MLP(2, 16, 16, 1), {"pde": 500}, stages=stages, resample=None, progress=False)
    X = problem.domain.sample(1000, method="random", seed=3)
    X = X[(X[:, 0] > 0.01) & (X[:, 1] > 0.01)]  # where the series have converged
    found, known = s(X)[:, 0].numpy(), exact(X.numpy())
    assert np.linalg.norm(found - known) < 1e-4 * np.linalg.norm(known)
    assert set(s.points) == {"pde"} and any(kind in note for note in s.notes)


def test_every_singularity_is_carried_and_said():
    model = pk.Model(rod(HAT), pk.MLP(2, 4, 1), True)
    assert model.notes == ("u initial: a kink at x = 1/2 carried by heat kernels",)
    model = pk.Model(string()[0], pk.MLP(2, 4, 1))
    assert model.notes == (
        "u initial: a kink at x = 1/4 carried by travelling waves",
        "u on x: a kink at t = 3/4, a kink at t = 1/4, a kink at t = 5/4 carried by travelling waves",
    )


def test_data_without_a_known_part_stay_soft():
    model = pk.Model(rod(HAT, pk.Dirichlet(u, 0, on="x_min"), pk.Robin(u, 1, u, 0, on="x_max")), pk.MLP(2, 4, 1))
    assert model.exact_terms == {"u initial", "u on x_min"}
    equation = u.diff(t) - ((1 + u**2) * u.diff(x)).diff(x)  # the speed depends on the field
    walls = [pk.Initial(u, HAT), pk.Dirichlet(u, 0, on="x")]
    model = pk.Model(pk.Problem("hot", u, equation, pk.Box(x=(0, 2), t=(0, 1)), walls), pk.MLP(2, 4, 1))
    assert model.exact_terms == {"u on x"} and "trained softly" in model.notes[0]
    v = pk.field("v", x, y, t)  # a kink of the walls for all times meets initial data that have none
    heat = v.diff(t) - v.diff(x, 2) - v.diff(y, 2)
    walls = [pk.Initial(v, 0), pk.Dirichlet(v, t * sp.Max(x - third, 0), on="y_max")]
    walls += [pk.Dirichlet(v, 0, on=("x_min", "y_min")), pk.Dirichlet(v, 2 * t * y * third, on="x_max")]
    domain = pk.Box(x=(0, 1), y=(0, 1), t=(0, 1))
    model = pk.Model(pk.Problem("slab", v, heat, domain, walls), pk.MLP(3, 4, 1))
    assert model.exact_terms == {"v initial", "v on x_min+y_min", "v on x_max"}


def neumann():
    """Insulated ends under a hat that is not flat there: the slopes clash with the walls at the start."""
    problem = pk.Problem(
        "insulated", u, u.diff(t) - u.diff(x, 2) / 4, pk.Box(x=(0, 2), t=(0, 1)),
        [pk.Initial(u, HAT), pk.Neumann(u, 0, on="x")],
    )  # fmt: skip

    def value(X):
        k = np.arange(1, 600)[:, None] * np.pi / 2
        b = 2 * (np.cos(k / 2) - 1) / k**2 + 2 / 3 * (np.cos(k / 2) - np.cos(2 * k)) / k**2
        return 0.5 + (b * np.cos(k * X[:, 0]) * np.exp(-(k**2) * X[:, 1] / 4)).sum(0)

    return problem, value


def ring():
    """A jump carried around a periodic domain, and a sawtooth's jump where it closes."""
    equation = u.diff(t) - u.diff(x) * 3 / 2
    data = x + sp.Heaviside(x - third)
    problem = pk.Problem("ring", u, equation, pk.Box(x=(0, 1), t=(0, 1)), [pk.Initial(u, data), pk.Periodic(u, "x", 0)])

    def value(X):
        z = np.mod(X[:, 0] + 1.5 * X[:, 1], 1)
        return z + (z > 1 / 3)

    return problem, value


def seam():
    """A parabola on a ring, whose slope jumps where the ring closes."""
    problem = pk.Problem(
        "seam",
        u,
        u.diff(t) - u.diff(x, 2) / 40,
        pk.Box(x=(0, 1), t=(0, 1)),
        [pk.Initial(u, x * (x - 1)), pk.Periodic(u, "x")],
    )

    def value(X):
        n = np.arange(1, 400)[:, None] * 2 * np.pi
        return (4 / n**2 * np.cos(n * X[:, 0]) * np.exp(-(n**2) * X[:, 1] / 40)).sum(0) - 1 / 6

    return problem, value


def struck():
    """A string struck on a part, one end free: u_t jumps at first, and is thrown back with either sign."""
    rate = sp.Heaviside(x - sp.Rational(1, 4)) * sp.Heaviside(sp.S.Half - x)
    conditions = [
        pk.Initial(u, 0), pk.Initial(u, rate, order=1), pk.Dirichlet(u, 0, on="x_min"), pk.Neumann(u, 0, on="x_max"),
    ]  # fmt: skip

    def value(X):
        def integral(z):  # of the rate continued: odd about 0, even about 1, hence even itself, of period 4
            z = abs(np.mod(z + 2, 4) - 2)
            return np.clip(np.minimum(z, 2 - z), 0.25, 0.5) * np.where(z < 1, 1, -1) + np.where(z < 1, 0, 1)

        return (integral(X[:, 0] + X[:, 1]) - integral(X[:, 0] - X[:, 1])) / 2

    return pk.Problem("struck", u, u.diff(t, 2) - u.diff(x, 2), pk.Box(x=(0, 1), t=(0, 1.5)), conditions), value


def test_a_jump_goes_around_a_ring():
    problem, exact = ring()
    model = pk.Model(problem, pk.MLP(2, 4, 1))
    g, d = model.ansatz[u]
    assert d == t and "a jump at x = 0, a jump at x = 1/3" in model.notes[0]
    X = problem.domain.sample(200, method="random", seed=1)
    (value,) = Program([g], (x, t))({x: X[:, 0], t: X[:, 1]})
    left = (torch.as_tensor(exact(X.numpy())) - value) / X[:, 1]  # what is left to the network is one number
    assert float((left - 1.5).abs().max()) < 1e-9


@pytest.mark.parametrize("case", [neumann, seam, struck])
def test_slopes_and_periods(case):
    problem, exact = case()
    model = pk.Model(problem, pk.MLP(2, 16, 16, 1))
    sizes = {key: 500 if key == "pde" else 100 for key in model.keys}
    stages = [pk.Adam(200), pk.SSBroyden(300)]
    s = pk.solve(problem, pk.MLP(2, 16, 16, 1), sizes, stages=stages, resample=None, progress=False)
    X = problem.domain.sample(1000, method="random", seed=3)
    found, known = s(X)[:, 0].numpy(), exact(X.numpy())
    assert np.linalg.norm(found - known) < 1e-4 * np.linalg.norm(known)
