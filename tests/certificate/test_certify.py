"""Certificates: intervals, Taylor enclosures, theorems, and bounds against true errors."""

import itertools
import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest
import sympy as sp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from one_misfit import ONE, SINE, VALUES, Case, checked

import pinnkit as pk
from benchmarks.certificate.certificates import EQUATIONS, compared, heat_or_wave, other
from pinnkit.certificate.certify import _best
from pinnkit.certificate.misfits import sampled
from pinnkit.certificate.norms import rectangle as surface
from pinnkit.certificate.norms.interval import interval_norms
from pinnkit.certificate.theorem import energy, heat, wave
from pinnkit.certificate.theorem import maximum_principle as maximum
from pinnkit.certificate.theorem.energy import EndCondition, lifts
from pinnkit.certificate.theorem.misfit import Norm
from pinnkit.certificate.theorem.wave import crossings
from pinnkit.certificate.theorems import theorems, weights
from pinnkit.certificate.validated.interval_arithmetic import Interval
from pinnkit.certificate.validated.interval_series import enclosed_series
from pinnkit.tools import deadline

x, y, t = pk.coordinates("x y t")
u = pk.field("u", x, t)
finite = st.floats(-8, 8, allow_subnormal=False)


@pytest.fixture(autouse=True)
def few_points(monkeypatch):
    monkeypatch.setattr(sampled, "POINTS", 5_000)


def interval(a, b):
    return Interval(np.array([min(a, b)]), np.array([max(a, b)]))


def _between(low, high, share):
    return min(max(low + mpmath.mpf(share) * (high - low), low), high)  # 50 digits may round it out of the interval


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(finite, finite, finite, finite, st.floats(0, 1), st.floats(0, 1))
def test_intervals_hold_what_exact_arithmetic_finds(a, b, c, d, p, q):
    X, Y = interval(a, b), interval(c, d)
    with mpmath.workdps(50):
        v, w = (_between(*(mpmath.mpf(float(end[0])) for end in (Z.low, Z.high)), s) for Z, s in ((X, p), (Y, q)))
        pairs = [(X + Y, v + w), (X - Y, v - w), (X * Y, v * w), (X.exp(), mpmath.exp(v)), (X.sin(), mpmath.sin(v))]
        pairs += [(X.cos(), mpmath.cos(v)), (X.tanh(), mpmath.tanh(v)), (X.erf(), mpmath.erf(v))]
        pairs += [(X.erfc(), mpmath.erfc(v)), (X.divided(3.0), v / 3)]
        pairs += [(X.reciprocal(), 1 / v)] if X.low[0] > 0 else []
        pairs += [(X.power(0.5), mpmath.sqrt(v)), (X.log(), mpmath.log(v))] if X.low[0] > 0 else []
        for found, exact in pairs:
            assert mpmath.mpf(float(found.low[0])) <= exact <= mpmath.mpf(float(found.high[0]))


def test_erfc_is_enclosed_far_out():
    x = np.linspace(0.5, 26.5, 1500)
    found = Interval(x, x).erfc()
    for v, low, high in zip(x, found.low, found.high, strict=True):
        with mpmath.workdps(40):
            true = mpmath.erfc(mpmath.mpf(float(v)))
            assert mpmath.mpf(float(low)) <= true <= mpmath.mpf(float(high))
            assert high <= 1.01 * float(true) + 1e-299


@pytest.mark.parametrize(
    "e",
    [
        sp.exp(-3 * x) * sp.sin(5 * x) + x**3, sp.tanh(4 * x - 1), sp.erf(x / 3) * sp.cosh(x),
        sp.erfc(2 * x) * sp.sqrt(x + 1), 1 / (1 + x**2),
        sp.log(2 + x) / (3 - x), sp.sinh(x) * sp.cos(x) ** 2, sp.Max(x - sp.Rational(1, 4), 0) ** 2,
        x ** sp.Rational(1, 3), (1 + x) ** -0.7, (1 + x) ** x,
    ],
)  # fmt: skip
def test_taylor_coefficients_are_enclosed(e):
    order, at = 6, 0.375
    low, high = (np.zeros((order, 1)) for _ in range(2))
    low[0] = high[0] = at
    low[1] = high[1] = 1.0
    found = enclosed_series(e, {x: Interval(low, high)})
    for k in range(order):
        exact = float((e.diff(x, k) if k else e).subs(x, sp.Rational(3, 8)).evalf(30) / math.factorial(k))
        if k < len(found.low):
            assert found.low[k, 0] - 1e-15 <= exact <= found.high[k, 0] + 1e-15
            assert found.high[k, 0] - found.low[k, 0] < 1e-10


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.floats(0.5, 40), st.floats(-2, 2), st.floats(0.1, 0.9))
def test_enclosed_norms_hold_and_are_tight(k, a, m):
    e = a * sp.sin(k * x) + sp.exp(-(((x - m) * 10) ** 2)) - sp.tanh(20 * (x - m)) / 3
    found = interval_norms(e, x, (0.0, 1.0), {})
    s = np.linspace(0, 1, 20_001)
    values = sp.lambdify(x, e)(s)
    assert np.abs(values).max() <= found.norm.sup <= 1.1 * np.abs(values).max()
    true = math.sqrt(np.trapezoid(values**2, s))
    assert true * (1 - 1e-6) <= found.norm.l2 <= 1.2 * true


def test_products_of_numbers_are_rounded_outwards():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 200))
    found = Interval(a, a) * Interval(b, b)
    for v, w, low, high in zip(a, b, found.low, found.high, strict=True):
        exact = Fraction(v) * Fraction(w)
        assert Fraction(low) <= exact <= Fraction(high) and high - low <= 1e-15 * abs(v * w)


def test_the_corner_of_a_surface_is_not_missed():
    """Interpolation knows x^5 y^5 exactly, and its points leave the corner out."""
    found = surface.rectangle_norms(x**5 * t**5, (x, t), [(-1.0, 1.0), (-1.0, 1.0)], {})
    assert 1 <= found.norm.sup < 1.1


KNOWN = [  # as in test_certificate_extremal, one for every kind of term
    (heat.match, Case(1, [0, 0, 1], 3, VALUES, "wall 0"), {"L2(Q)": 1.62}),
    (maximum.parabolic, Case(1, [0, 0, 1], 0.05, "slope|slope", "wall 0"), {"sup": 1.9}),
    (maximum.parabolic, Case(1, [0, 0, 1], 2, "slope|slope", "wall 1"), {"sup": 1.9}),
    (wave.match, Case(2, [0, 0, 1], 3, VALUES, "wall 1", SINE, frequency=math.pi), {"sup": 1.34, "L2(t)": 1.16}),
    (energy.match, Case(1, [0, 0, 0, -1], 1, "value|value slope", "wall 0", ONE), {"L2(t)": (2, 2.01)}),
]


@pytest.mark.parametrize("match, case, most", KNOWN)
def test_one_misfit_alone_is_bounded_as_known(match, case, most):
    checked(case, match, most)


def test_surfaces_are_enclosed():
    e = sp.sin(5 * x) * sp.exp(-3 * t) / 3 - sp.cos(2 * x + t) * sp.erf(x - t) * sp.Rational(1, 10)
    found = surface.rectangle_norms(e, (x, t), [(0.0, 1.0), (0.5, 2.0)], {}, along=1)
    a, b = np.meshgrid(np.linspace(0, 1, 301), np.linspace(0.5, 2, 301), indexing="ij")
    v = np.abs(sp.lambdify((x, t), e, ["scipy", "numpy"])(a, b))
    assert v.max() <= found.norm.sup <= 1.2 * v.max()
    cell = np.trapezoid(np.trapezoid(v**2, b[0], axis=1), a[:, 0])
    assert math.sqrt(cell) * (1 - 1e-4) <= found.norm.l2 <= 1.1 * math.sqrt(cell)
    assert math.sqrt(cell) * (1 - 1e-4) <= found.seen.l2 <= 1.3 * math.sqrt(cell)
    for at, column in zip(b[0] - 0.5, v.T, strict=True):
        assert column.max() <= max(top for start, end, top in found.norm.envelope if start <= at <= end)


def random_problem(kind, d, seed):
    """A problem with a closed-form solution, and another exact solution of its equation as an approximation."""
    return heat_or_wave(kind, d, "superposition", seed)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from([("heat", 1), ("heat", 2), ("wave", 1), ("wave", 2)]), st.integers(0, 10**6))
def test_bounds_hold(kind, seed):
    found = pk.certify(random_problem(*kind, seed))
    for b in found.bounds:
        assert found.errors[b.norm] <= b.value * (1 + 1e-9), b


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(EQUATIONS), st.integers(0, 10**6))
def test_every_theorem_holds(make, seed):
    for norm, (bound, true) in compared(other(make, seed)).items():
        assert true <= bound, norm


@pytest.mark.parametrize("kind, d, seed", [("heat", 1, 3), ("wave", 1, 4), ("heat", 2, 1), ("wave", 2, 2)])
def test_enclosed_bounds_hold_and_lie_above_the_sampled_ones(kind, d, seed):
    solution = random_problem(kind, d, seed)
    sampled, enclosed = pk.certify(solution), pk.certify(solution, enclosed=True)
    assert enclosed.rigorous and not sampled.rigorous
    for b in enclosed.bounds:
        assert enclosed.errors[b.norm] <= b.value <= 1.6 * sampled[b.norm]


NONE = Norm()


class Given:
    """Misfits of known norms."""

    signed = False

    def __init__(self, initial=NONE, rate=NONE, wall=NONE, residual=NONE):
        self._initial, self._wall, self._residual = (initial, rate), wall, residual

    def initial(self, order=0, by=()):
        return self._initial[order]

    def wall(self, condition, face, by=()):
        return self._wall

    def residual(self):
        return self._residual


def values(problem, misfits, slopes=False):
    return {norm: b.value for norm, b in _best(theorems(problem, slopes)[1], misfits).items()}


def stated(equation, sides, duration, orders=1, **more):
    walls = [pk.Dirichlet(u, 0)]
    return pk.Problem("p", u, equation, pk.Box(x=(0, sides), t=(0, duration)), [
        *(pk.Initial(u, 0, order=k) for k in range(orders)), *walls], **more)  # fmt: skip


def test_constants_of_the_theorems_are_reached_or_nearly():
    heat = stated(u.diff(t) - 2 * u.diff(x, 2), 1, 0.3)
    rate = 2 * math.pi**2
    found = values(heat, Given(Norm(1.0, math.sqrt(0.5))))  # e0 = sin(pi x)
    assert found["L2(Q)"] == pytest.approx(math.sqrt(0.5 * (1 - math.exp(-0.6 * rate)) / (2 * rate)))
    assert found["L2(T)"] == pytest.approx(math.sqrt(0.5) * math.exp(-0.3 * rate))
    source = Norm(1.0, math.sqrt(0.3))  # a source 1 has the steady state x (1 - x) / 4
    assert values(heat, Given(residual=source))["sup"] == pytest.approx(1 / 16)
    assert values(stated(3 * u.diff(t) - 6 * u.diff(x, 2), 1, 0.3), Given(residual=source))["sup"] == pytest.approx(
        1 / 16
    )
    wave = stated(u.diff(t, 2) - 9 * u.diff(x, 2), 2, 5, 2)
    assert values(wave, Given(rate=Norm(1.0, 1.0)))["L2(t)"] == pytest.approx(2 / (3 * math.pi))


def test_crossings_of_the_interval_are_counted_exactly():
    def count(square, sides=1, duration=3):
        return crossings(theorems(stated(u.diff(t, 2) - square * u.diff(x, 2), sides, duration, 2))[0])

    assert count(1) == 3 and count(1 + sp.Rational(1, 10**30)) == 4 and count(sp.Rational(1, 100)) == 1
    assert count(sp.pi) == 6 and count(sp.Rational(1, 9), 0.5, 1.5) == 1


def test_lifts_meet_the_conditions_exactly():
    ends = [EndCondition(walls, "x_min", 0.0, 0, 1.0), EndCondition(walls, "x_min", 0.0, 1, -1.0),
            EndCondition(walls, "x_max", 0.3, 0, 1.0), EndCondition(walls, "x_max", 0.3, 2, 2.0)]  # fmt: skip
    for j, p in enumerate(lifts(ends, 0.3)):
        for i, e in enumerate(ends):
            value = e.factor * (p.deriv(e.order) if e.order else p)(e.at)
            assert value == pytest.approx(float(i == j), abs=1e-13)


def test_a_misfit_of_the_walls_long_ago_has_decayed():
    heat = stated(u.diff(t) - u.diff(x, 2), 1, 2)
    times = np.linspace(0, 2, 201)
    rows = np.stack([times[:-1], times[1:], np.exp(-3 * times[:-1])], 1)
    last = values(heat, Given(wall=Norm(1.0, 0.5, 0.5, rows)))["L2(T)"]
    shape = math.sqrt(0.5 * (1 + math.sin(math.sqrt(3)) / math.sqrt(3))) / math.cos(math.sqrt(3) / 2)
    assert shape * math.exp(-6) <= last <= 1.15 * shape * math.exp(-6)
    burst = np.array([[0.0, 0.1, 1.0], [0.1, 2.0, 1e-12]])
    assert values(heat, Given(wall=Norm(1.0, 0.3, 0.1, burst)))["L2(T)"] < 1e-5


def test_the_loss_bounds_the_error():
    solution = pk.solve_lie(pk.problem("heat", initial="gauss"), tolerance=1e-3)
    loss = float(solution.stack.losses(solution.theta).sum())
    bound = pk.certify(solution)["L2(Q)"]
    assert set(weights(solution.problem)) == set(solution.term_weights)
    assert bound <= math.sqrt(3 * loss) * 1.01 + 1e-12
    assert not pk.certify(solution).violations


def test_a_network_is_certified_with_its_residual():
    problem = pk.problem("heat", initial="gauss")
    solution = pk.solve(
        problem, pk.MLP(2, 8, 8, 1), {"pde": 200}, stages=[pk.SSBroyden(60)], progress=False, resample=None
    )
    found = pk.certify(solution, corrected=False)
    assert found.misfits["pde"].sup > 0 and not found.violations
    assert "sampled" in str(found) and "maximum principle" in str(found)
    enclosed = pk.certify(solution, enclosed=True, corrected=False)
    assert enclosed.rigorous and not enclosed.violations


def refused(equation, *conditions, box=None):
    return pk.Problem("p", u, equation, box or pk.Box(x=(0, 1), t=(0, 1)), [pk.Initial(u, x), *conditions])


walls = pk.Dirichlet(u, 0, on="x")


@pytest.mark.parametrize(
    "problem, why",
    [
        (refused(u.diff(t) - (u * u.diff(x)).diff(x), walls), "the theorems are for"),
        (refused(u.diff(t) - (x - sp.Rational(1, 2)) ** 2 * u.diff(x, 2), walls), "not those of a diffusion"),
        (
            refused(u.diff(t) + u.diff(x), pk.Dirichlet(u, 0, on="x_max")),
            "no condition on x_min, through which it flows",
        ),
        (refused(u.diff(t) - u.diff(x, 2), pk.Operator("loop", u.diff(x) - u**2, on="x")), "of the kind Operator"),
        (refused(u.diff(t, 2) - u.diff(x, 2) - u, pk.Initial(u, 0, order=1), walls), "lets its energy grow"),
        (
            refused(u.diff(t) + u.diff(x, 3), walls, pk.Operator("bend", u.diff(x, 2), on="x_max")),
            "needs values at both ends and the slope at the upper one",
        ),
    ],
)
def test_what_has_no_theorem_is_refused(problem, why):
    with pytest.raises(ValueError, match=why):
        theorems(problem)
    assert weights(problem) == {}


def test_a_slope_at_the_wrong_wall_is_refused_by_the_problem_already():
    with pytest.raises(ValueError, match="2 conditions must stand on x_max"):
        refused(u.diff(t) + u.diff(x, 3), walls, pk.Neumann(u, 0, on="x_min"))


@pytest.mark.parametrize("equation", [u.diff(t) + u**2 * u.diff(x) - u.diff(x, 2), u.diff(t) - u.diff(x, 2) - u**2])
def test_non_linear_equations_are_bounded_by_enclosed_misfits_only(equation):
    problem, network = refused(equation, walls), pk.MLP(2, 3, 1)
    solution = pk.Solution(pk.Model(problem, network, False), network.initial(problem.domain, 0), pk.Points({}))
    with pytest.raises(ValueError, match="needs misfits that are enclosed, not sampled"):
        pk.certify(solution, corrected=False)
    assert weights(problem) == {}


def test_a_time_limit_ends_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that ticks once a look: what a limit cuts short is a larger bound, a sentence, or nothing less."""
    walls = [pk.Initial(u, sp.sin(sp.pi * x)), pk.Dirichlet(u, 0, on="x")]
    problem = pk.Problem("heat", u, u.diff(t) - u.diff(x, 2), pk.Box(x=(0, 1), t=(0, 1)), walls)
    solution = pk.solve(problem, pk.MLP(2, 4, 1), 60, stages=[pk.Adam(20)], progress=False)
    monkeypatch.setattr(deadline, "clock", (ticks := itertools.count()).__next__)
    best = pk.certify(solution, enclosed=True, time_limit=1e9)
    total, ends = next(ticks), []
    assert best["sup"] == pk.certify(solution, enclosed=True)["sup"] and total > 20
    for limit in (0, total // 8, total // 2, total - 3):
        try:
            found = pk.certify(solution, enclosed=True, time_limit=limit)
        except ValueError as error:
            assert f"no bound was found within time_limit={limit} s: give it more" in str(error)
            ends.append("none")
        else:
            assert found["sup"] >= best["sup"]
            ends.append("some")
    assert ends[0] == "none" and ends[-1] == "some"


def test_beyond_the_first_eigenvalue_no_maximum_principle_is_claimed() -> None:
    """u'' + 30 u with a value at one end and a slope at the other, whose first eigenvalue is pi^2 / 4."""
    q = pk.field("q", x)
    ends = [pk.Dirichlet(q, 0, on="x_min"), pk.Neumann(q, 1, on="x_max")]
    problem = pk.Problem("beyond", q, q.diff(x, 2) + 30 * q, pk.Box(x=(0, 1)), ends)
    solution = pk.solve(problem, pk.MLP(1, 4, 1), 20, stages=[pk.Adam(2)], progress=False)
    with pytest.raises(ValueError, match="zero-order term may be at or beyond the first eigenvalue"):
        pk.certify(solution, enclosed=True)
