"""Enclosed networks: Taylor models hold what 40 digits and dense samples find."""

import itertools
import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest
import sympy as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import pinnkit as pk
from pinnkit.certificate.enclosure.network_enclosure import Cells, evaluate, outputs
from pinnkit.certificate.misfits.enclosed import EnclosedMisfits
from pinnkit.certificate.norms import box as cover
from pinnkit.certificate.theorems import theorems
from pinnkit.certificate.validated.elementary import EXP, TANH, compose
from pinnkit.certificate.validated.taylor_model import Space, TaylorModel, worst
from pinnkit.statement.symbolic.place import faces
from pinnkit.statement.symbolic.residual import Residual

x, t = pk.coordinates("x t")
u = pk.field("u", x, t)
u_t, u_x, u_xx = pk.derivatives(u, "t", "x", "xx")
BOX = pk.Box(x=(-1, 1), t=(0, 1))
SIGMA = {
    "tanh": mpmath.tanh, "sin": mpmath.sin, "silu": lambda z: z / (1 + mpmath.exp(-z)),
    "softplus": lambda z: mpmath.log1p(mpmath.exp(z)), "gelu": lambda z: z * mpmath.ncdf(z),
}  # fmt: skip


def tensor(*rows):
    return torch.tensor(rows, dtype=torch.float64)


def cell(space, middle, half):
    return Cells(space, tensor(*([m] for m in middle)), tensor(*([h] for h in half)))


def exactly(tape, theta, point):
    """The network at a point, in mpmath."""
    values = [[mpmath.fsum(mpmath.mpf(w) * p for w, p in zip(row, point, strict=True)) + mpmath.mpf(b)
               for row, b in zip(tape.features.omega.tolist(), tape.features.phase.tolist(), strict=True)]]  # fmt: skip
    values[0] = [mpmath.sin(v) if wave else v for v, wave in zip(values[0], tape.features.wave.tolist(), strict=True)]
    for op in tape.operations:
        if hasattr(op, "activation"):
            values.append([SIGMA[op.activation.name](v) for v in values[op.source]])
        elif hasattr(op, "offset"):
            W, b = (v.tolist() for v in op.weights(theta))
            h = values[op.source]
            rows = zip(W, b, strict=True)
            values.append([mpmath.fsum(mpmath.mpf(w) * v for w, v in zip(r, h, strict=True)) + mpmath.mpf(c)
                           for r, c in rows])  # fmt: skip
        else:
            rows = zip(*(values[i] for i in (op.f, op.u, op.v)), strict=True)
            values.append([v + f * (w - v) for f, w, v in rows])
    return values[-1][0]


def held(model, f, places):
    """Asserts that f (of mpmath) at local coordinates lies within the bounds of a model of one cell."""
    rest = mpmath.mpf(float(model.rest))
    low = model.low[:, 0] if model.space.paired else torch.zeros(len(model.c))
    for s in places:
        value = mpmath.fsum(
            (mpmath.mpf(float(c)) + float(e)) * mpmath.fprod(mpmath.mpf(v) ** k for v, k in zip(s, a, strict=True))
            for a, c, e in zip(model.space.exponents, model.c[:, 0], low, strict=True)
        )
        assert abs(value - f(s)) <= rest
    return float(model.rest)


@settings(max_examples=14, deadline=None)
@given(
    st.sampled_from(sorted(SIGMA)), st.integers(1, 2), st.sampled_from([pk.MLP, pk.ModifiedMLP]),
    st.sampled_from([None, pk.Fourier(2, 0.5)]), st.integers(4, 10), st.floats(-0.8, 0.8), st.floats(0.1, 0.9),
    st.sampled_from([1 / 4, 1 / 16, 1 / 1024, 1e-7]), st.integers(0, 10**6), st.booleans(),
)  # fmt: skip
def test_networks_are_held_to_40_digits(sigma, depth, kind, features, degree, mx, mt, half, seed, paired):
    net = kind(2, *[3] * depth, 1, activation=sigma, features=features)
    tape, theta = net.build(BOX), net.initial(BOX, seed)
    theta = theta + 0.3 * torch.randn(len(theta), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    cells = cell(Space(2, degree, 1.5, paired), (mx, mt), (half, half / 2))
    N = outputs(tape, theta, None, cells)[0][0]
    rng = np.random.default_rng(seed)
    with mpmath.workdps(40):

        def f(s):
            point = [mpmath.mpf(mx) + mpmath.mpf(half) * s[0], mpmath.mpf(mt) + mpmath.mpf(half / 2) * s[1]]
            return exactly(tape, theta, point)

        rest = held(N, f, [(1, -1), (0, 0), *rng.uniform(-1, 1, (1, 2)).tolist()])
        least = 1e-26 if paired and sigma != "gelu" else 1e-12
        assert half > 1e-6 or rest < max(least, half**degree)  # what is left is rounding
        if not math.isfinite(rest):
            return
        lower = Space(2, degree - 2, 1.0, paired)
        curved = N.derivative((2, 0), cells.half, lower)
        held(curved, lambda s: mpmath.diff(lambda a: f((a, s[1])), s[0], 2) / mpmath.mpf(half) ** 2, [(0.3, -0.7)])


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 10**6))
def test_rounding_of_sums_with_cancellation_is_held(seed):
    """Weights of alternating signs and sizes up to 1e8: nearly all digits are lost, and the bound knows."""
    rng = np.random.default_rng(seed)
    net = pk.MLP(2, 4, 1)
    tape = net.build(BOX)
    theta = torch.as_tensor(rng.normal(size=tape.count))
    theta[-5:] = torch.as_tensor([1e8, -1e8, 1e8, -1e8, 0.1]) * torch.as_tensor(1 + rng.random(5))
    cells = cell(Space(2, 6, 1.5), (0.3, 0.7), (1e-6, 1e-6))
    N = outputs(tape, theta, None, cells)[0][0]
    with mpmath.workdps(40):
        h = mpmath.mpf(1e-6)
        rest = held(N, lambda s: exactly(tape, theta, [0.3 + h * s[0], 0.7 + h * s[1]]), [(0, 0), (1, -1)])
    assert rest < 1e-4


@pytest.mark.parametrize(
    "e",
    [
        sp.exp(-3 * x) * sp.sin(5 * x + t), sp.tanh(4 * x - 1) / (2 + t), sp.erf(x / 3) * sp.cosh(x * t),
        sp.erfc(2 * x + 4) * sp.sqrt(x + 2), sp.log(2 + x) ** 3 - sp.pi * t, sp.atan(2 * x - t), 2 ** (x * t),
        (1 + x**2) ** sp.Rational(-3, 2), sp.Rational(1, 3) * x + sp.sinh(t) * sp.sqrt(2),
        sp.tan(x) / sp.acosh(t + 1), sp.asin(x - t) * sp.sech(x), (x + t) ** sp.Rational(1, 3) * sp.E, sp.acos(x * t),
        sp.csc(x) - sp.cot(t), sp.sec(x) * sp.coth(t), sp.atanh(x) + sp.asinh(t) ** 2 - sp.csch(x) * sp.GoldenRatio,
        sp.Abs(x - t) * sp.sin(x), sp.Max(x - t, -x, 0) + sp.Min(x, t) ** 2,
    ],
)  # fmt: skip
@pytest.mark.parametrize("paired", [False, True])
def test_expressions_are_held_to_40_digits(e, paired):
    cells = cell(Space(2, 8, 1.5, paired), (0.3, 0.4), (0.05, 0.02))
    found = evaluate(e, dict(zip((x, t), cells.coordinates(), strict=True)), kinks=True)
    with mpmath.workdps(40):
        f = sp.lambdify((x, t), e, "mpmath")
        m, h = [mpmath.mpf(v) for v in (0.3, 0.4)], [mpmath.mpf(v) for v in (0.05, 0.02)]
        rest = held(found, lambda s: f(*(a + b * mpmath.mpf(c) for a, b, c in zip(m, h, s, strict=True))),
                    [(1, 1), (-1, 1), (0.25, -0.5)])  # fmt: skip
    assert rest < 1e-4


def test_kinks_are_ranges_where_they_may_lie():
    """|x - t| on a cell through which x = t runs; inside a function, or for derivatives, it is refused."""
    places, e = (0.31, 0.3), sp.Abs(x - t)
    cells = cell(Space(2, 4, 1.5), places, (0.05, 0.02))
    at = dict(zip((x, t), cells.coordinates(), strict=True))
    found = evaluate(e - 3 * sp.Max(t, x), at, kinks=True)
    with mpmath.workdps(40):

        def f(s):
            a, b = (mpmath.mpf(m) + mpmath.mpf(h) * v for m, h, v in zip(places, (0.05, 0.02), s, strict=True))
            return abs(a - b) - 3 * max(a, b)

        rest = held(found, f, [(1, -1), (-1, 1), (-0.2, 0), (0, 0.9)])
    assert 0.04 < rest < 0.4
    for bad, kinks in ((e, False), (sp.exp(e), True), (e ** sp.Rational(1, 2), True), (1 / (1 + e), True)):
        with pytest.raises(ValueError, match="has no Taylor model here"):
            evaluate(bad, at, kinks=kinks)


def test_logarithms_of_distances_are_enclosed():
    net = pk.MLP(2, 5, 1, features=pk.LogDistance(("x_min", "x_max"), 0.1))
    tape, theta = net.build(BOX), net.initial(BOX, 0)
    cells = cell(Space(2, 8, 1.5), (-0.9, 0.5), (0.02, 0.05))
    N = outputs(tape, theta, None, cells)[0][0]
    problem = pk.Problem("p", u, u_t - u_xx, BOX, [pk.Initial(u, 0), pk.Dirichlet(u, 0)])
    solution = pk.Solution(pk.Model(problem, net, False), theta, pk.Points({}))
    for a, b in ((1, 1), (-1, 0.3)):
        powers = torch.tensor([float(a) ** i * float(b) ** j for i, j in N.space.exponents], dtype=torch.float64)
        value = float(solution(torch.tensor([[-0.9 + 0.02 * a, 0.5 + 0.05 * b]], dtype=torch.float64)))
        assert abs(float(powers @ N.c[:, 0]) - value) <= float(N.rest) + 1e-14
    assert float(N.rest) < 1e-3


def test_what_products_round_is_held():
    """Exact coefficients, whose products are not: the error of every degree, in rational numbers."""
    space, rng = Space(2, 3), np.random.default_rng(0)

    def model():
        c = torch.as_tensor(rng.normal(size=(len(space.exponents), 1)))
        return TaylorModel(space, c, torch.zeros(4, 1).double(), torch.zeros(1).double())

    for _ in range(20):
        a, b = model(), model()
        found, exact = a * b, dict.fromkeys(space.exponents, Fraction(0))
        for (p, v), (q, w) in itertools.product(
            *(zip(space.exponents, m.c[:, 0].tolist(), strict=True) for m in (a, b))
        ):
            if sum(p) + sum(q) <= space.degree:
                exact[p[0] + q[0], p[1] + q[1]] += Fraction(v) * Fraction(w)
        for k, block in enumerate(space.blocks):
            wrong = sum(abs(exact[p] - Fraction(float(c))) for p, c in zip(
                space.exponents[block], found.c[block, 0], strict=True))  # fmt: skip
            assert wrong <= Fraction(float(found.wrong[k]))
            assert float(found.wrong[k]) < 1e-13


def test_tails_of_exponentials_are_held():
    """e^s cut after the first degrees: its tail is e less what was kept."""
    for n in (1, 2, 3):
        z = cell(Space(1, n, 1.0), (0.0,), (1.0,)).coordinates()[0]
        true = math.e - sum(1 / math.factorial(k) for k in range(n + 1))
        assert true <= float(compose(EXP, z)[0].tail) <= 1.1 * true


def test_tails_fall_as_the_degree_says():
    """Halving a cell divides the tail by 2^(n + 1); the true remainder stays below it."""
    for n in (4, 7):
        tails = []
        for half in (0.1, 0.05):
            z = cell(Space(1, n, 1.5), (0.4,), (half,)).coordinates()[0]
            y = compose(TANH, z)[0]
            tails.append(float(y.tail))
            polynomial = np.polynomial.polynomial.polyval(1.0, y.c[:, 0].numpy())
            assert abs(polynomial - math.tanh(0.4 + half)) <= float(y.rest) + 1e-16
        assert 0.8 * 2 ** (n + 1) < tails[0] / tails[1] < 2 ** (n + 3)


def test_large_cells_have_no_bound_and_derivatives_need_a_radius():
    y = compose(TANH, cell(Space(1, 5, 1.0), (0.0,), (2.0,)).coordinates()[0])[0]  # beyond i pi / 2
    assert not math.isfinite(float(y.tail))
    assert worst(Space(1, 5, 1.0), 1, 1.0) == math.inf
    assert worst(Space(1, 5, 2.0), 2, 1.0) == pytest.approx(max(k * (k - 1) / 2**k for k in range(6, 30)))


@settings(max_examples=4, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["tanh", "sin", "gelu"]))
def test_covers_lie_above_dense_samples(seed, sigma):
    problem = pk.Problem("heat", u, u_t - u_xx + u**3, BOX, [pk.Initial(u, 0), pk.Dirichlet(u, 0)])
    net = pk.MLP(2, 6, 6, 1, activation=sigma)
    solution = pk.Solution(pk.Model(problem, net, False), 1.5 * net.initial(BOX, seed), pk.Points({}))
    found = EnclosedMisfits(solution, theorems(problem)[0], 1.0)
    grid = torch.cartesian_prod(torch.linspace(-1, 1, 151).double(), torch.linspace(0, 1, 101).double())
    r = solution.evaluate([u_t - u_xx + u**3], grid)[:, 0].abs().reshape(151, 101).numpy()
    norm = found.residual()
    assert r.max() * (1 - 1e-12) <= norm.sup <= 1.1 * r.max()
    area = [np.trapezoid(np.trapezoid(v, dx=0.01), dx=2 / 150) for v in (r**2, r)]
    assert math.sqrt(area[0]) * (1 - 1e-3) <= norm.l2 <= 1.2 * math.sqrt(area[0]) + 0.01 * r.max()
    assert area[1] * (1 - 1e-3) <= norm.l1
    wall = found.wall(problem.conditions[1], "x_max")
    at = torch.stack([torch.ones(200).double(), torch.linspace(0, 1, 200).double()], 1)
    v = solution(at)[:, 0].abs().numpy()
    assert v.max() <= wall.sup <= 1.1 * v.max()
    for time, value in zip(at[:, 1].tolist(), v, strict=True):
        assert value <= max(top for start, end, top in wall.envelope if start <= time <= end)
    slope = solution.jet(at, "u_x").abs().max()
    assert slope <= found._made(Residual("slope", u_x, faces("x_max")), (), {"x": 1.0}).sup


def test_cover_of_a_polynomial_is_sharp():
    """x^2 - t on [-1, 1] x [0, 1]: maximum 1, L2 and L1 in closed form."""

    def model(middle, half):
        a, b = Cells(Space(2, 4, 1.0), middle, half).coordinates()
        return a * a - b, torch.zeros_like(middle)

    found = cover.box_norms(model, [(-1.0, 1.0), (0.0, 1.0)], (0, 1), 1e-12, 2000)
    assert found.tight and 1 <= found.norm.sup < 1.001 and found.seen <= 1
    true = math.sqrt(2 * (1 / 5 - 1 / 3 + 1 / 3))
    assert true <= found.norm.l2 <= true * (1 + 1e-9)
    assert isinstance(TaylorModel.constant(Space(2, 2), 1.0, torch.zeros(3), True), TaylorModel)
