"""Bounds by supersolutions: extremal cases in which only one misfit is not zero, for every kind of wall."""

import math

import numpy as np
import pytest
import sympy as sp
import torch
from scipy.linalg import solve_banded

import pinnkit as pk
from pinnkit.certificate.barrier import cell_polynomials, operator_rows
from pinnkit.certificate.barrier.barrier import BarrierPlan, BarrierProblem, barrier, range_of
from pinnkit.certificate.barrier.cell_polynomials import of_expression, of_model
from pinnkit.certificate.enclosure.network_enclosure import Cells, evaluate
from pinnkit.certificate.theorem.proof import Wall
from pinnkit.certificate.validated.polynomial_range import largest_value
from pinnkit.certificate.validated.taylor_model import Space

x, y, t = pk.coordinates("x y t")
u = pk.field("u", x, t)


def constant(problem: pk.Problem, value: float = 0.0) -> pk.Solution:
    """A network that is a constant."""
    network = pk.MLP(len(problem.variables), 4, 1)
    theta = torch.zeros_like(network.initial(problem.domain, 0))
    theta[-1] = value
    return pk.Solution(pk.Model(problem, network, True), theta, pk.Points({}))


def heated(walls: list, T: float) -> pk.Problem:
    """u_t = u_xx + 1 from 0: the function 0 misses the equation by 1 and nothing else."""
    equation = u.diff(t) - u.diff(x, 2) - 1
    return pk.Problem("heated", u, equation, pk.Box(x=(0, 1), t=(0, T)), [pk.Initial(u, 0), *walls], ansatz={u: (0, t)})


@pytest.mark.parametrize("T", [2, 20])
def test_a_source_between_insulated_or_periodic_walls_is_not_bounded_by_a_steady_barrier(T):
    for walls in ([pk.Neumann(u, 0, on="x")], [pk.Periodic(u, "x")]):
        found = pk.certify(constant(heated(walls, T)), enclosed=True)
        assert T <= found["sup"] <= 3 * T  # u* = t


@pytest.mark.parametrize("shift", [0, 300])
def test_the_slope_of_a_reaction_survives_cancellation(shift):
    """(shift - u)^9 / 9 has the largest slope 0, whatever the size of the expanded coefficients."""
    v = sp.Symbol("v")
    assert 0 <= largest_value(sp.Poly(sp.expand(-((v - shift) ** 8)), v)) < 1e-6
    assert 0.25 <= largest_value(sp.Poly(sp.expand((v - shift) ** 2 - (v - shift) ** 4), v)) < 0.25 + 1e-6


def test_the_largest_value_with_coefficients_that_are_not_rational():
    v = sp.Symbol("v")
    found = largest_value(sp.Poly(sp.sqrt(2) * v - sp.pi * v**2, v))
    true = float(1 / (2 * sp.pi))
    assert true <= found < true * (1 + 1e-9)
    assert largest_value(sp.Poly(sp.Integer(-3), v)) == -3
    with pytest.raises(ValueError, match="no upper bound"):
        largest_value(sp.Poly(v**3, v))


def test_periodic_values_without_slopes_are_refused():
    with pytest.raises(ValueError, match="derivatives of order 1"):
        pk.certify(constant(heated([pk.Periodic(u, "x", order=0)], 1)), enclosed=True)


def by_hand(operator: dict, bounds: tuple, walls: dict, source, start=None, periodic=(), plan=None, variables=(x, t)):
    """The bound for given f, g, e_0: expressions, known with their signs."""

    class Known:
        def source(self, breaks, degrees):
            return of_expression(sp.sympify(source), variables, breaks, degrees)

        def misfit(self, wall, breaks, degrees):
            return of_expression(sp.sympify(list(walls.values())[wall][2]), variables, breaks, degrees)

        def start(self, breaks, degrees):
            return of_expression(sp.sympify(start), variables, breaks, degrees)

        def slopes(self, breaks, reach):
            return []

    time = variables.index(t) if t in variables else None
    faces = tuple(Wall(face, sp.sympify(a), sp.sympify(b)) for face, (a, b, _) in walls.items())
    statement = BarrierProblem(variables, time, bounds, operator, faces, periodic)
    return barrier(statement, Known(), plan or BarrierPlan(16))


HEAT = {(0, 1): sp.S.One, (2, 0): -sp.S.One}
GIVEN, FLUX, LOSS = (1, 0), (0, 1), (1, 2)  # alpha, beta


def truth(left: tuple, right: tuple, f: float, g: tuple[float, float], start: float, T: float, n: int = 200) -> float:
    """max |e| of e_t = e_xx + f on [0, 1], alpha e + beta e_n = g at the ends, by finite volumes and implicit steps."""
    h = 1 / n
    A, b = np.zeros((3, n)), np.full(n, float(f))
    A[0, 1:], A[1], A[2, :-1] = 1 / h**2, -2 / h**2, 1 / h**2
    for end, (alpha, beta), value in ((0, left, g[0]), (-1, right, g[1])):
        share = alpha * h / 2 + beta  # the wall's value from that of the cell beside it: half a cell away
        A[1, end] += 1 / h**2  # the flux through the wall: (e_wall - e) / (h / 2)
        A[1, end] += (2 / h**2) * (beta / share - 1)
        b[end] += (2 / h**2) * (value * h / 2) / share
    e, top, dt = np.full(n, float(start)), abs(start), T / 1000
    M = -dt * A
    M[1] += 1
    for _ in range(1000):
        e = solve_banded((1, 1), M, e + dt * b)
        wall = [(v * h / 2 + beta * e[end]) / (alpha * h / 2 + beta)
                for end, (alpha, beta), v in ((0, left, g[0]), (-1, right, g[1]))]  # fmt: skip
        top = max(top, np.abs(e).max(), *map(abs, wall))
    return float(top)


CASES = [(left, right, only) for left in (GIVEN, FLUX, LOSS) for right in (GIVEN, FLUX, LOSS)
         for only in ("equation", "left", "right", "start")]  # fmt: skip


@pytest.mark.parametrize("T", [0.05, 3.0])
@pytest.mark.parametrize(("left", "right", "only"), CASES)
def test_one_misfit_alone_is_bounded_by_little_more_than_its_error(left, right, only, T):
    f, g, start = float(only == "equation"), (float(only == "left"), float(only == "right")), float(only == "start")
    walls = {"x_min": (*left, g[0]), "x_max": (*right, g[1])}
    plans = [BarrierPlan(8, coarse=1, slabs=4, first=16, corrected=c) for c in (True, False)]
    found = [by_hand(HEAT, ((0.0, 1.0), (0.0, T)), walls, f, start, plan=p).bound for p in plans]
    true = truth(left, right, f, g, start, T)
    assert 0.99 * true <= min(found) <= 1.1 * true and 0.99 * true <= max(found)  # 1 % for the finite volumes


@pytest.mark.parametrize("sign", [1, -1])
def test_periodic_walls_and_a_growing_reaction(sign):
    """e_t = e_xx + e_x / 3 + sign e / 2 + 1, periodic: e = sign 2 (e^{sign t / 2} - 1)."""
    operator = {**HEAT, (1, 0): -sp.Rational(1, 3), (0, 0): -sp.Rational(sign, 2)}
    found = by_hand(operator, ((0.0, 1.0), (0.0, 4.0)), {}, 1, 0, periodic=(0,))
    true = abs(2 * (math.exp(sign * 2.0) - 1))
    assert true <= found.bound <= 1.001 * true


def test_below_the_first_eigenvalue_there_is_a_barrier_and_above_it_none():
    walls = {"x_min": (*GIVEN, 0), "x_max": (*GIVEN, 0)}
    for k, n in ((8.0, 16), (9.8, 64)):  # pi^2 = 9.8696
        found = by_hand(
            {(2,): -sp.S.One, (0,): -sp.Rational(k)}, ((0.0, 1.0),), walls, 1, plan=BarrierPlan(n), variables=(x,)
        )
        true = (1 / math.cos(math.sqrt(k) / 2) - 1) / k
        assert true <= found.bound <= 1.01 * true
    with pytest.raises(ValueError, match="no barrier"):
        by_hand(
            {(2,): -sp.S.One, (0,): -sp.Rational(99, 10)}, ((0.0, 1.0),), walls, 1, plan=BarrierPlan(64), variables=(x,)
        )


def test_variable_coefficients_mixed_derivatives_and_two_dimensions():
    """-(1 + x) e_xx - e_xy - 2 e_yy + sin(x) e_x - e / 5 = f, e = cos(x) cosh(y) / 3, with walls of every kind."""
    e = sp.cos(x) * sp.cosh(y) / 3
    operator = {(2, 0): -1 - x, (1, 1): -sp.S.One, (0, 2): -sp.Integer(2), (1, 0): sp.sin(x)}
    operator[0, 0] = -sp.Rational(1, 5)
    f = sum(c * e.diff((x, J[0]), (y, J[1])) for J, c in operator.items())
    walls = {
        "x_min": (1, 0, e.subs(x, 0)), "x_max": (1 + y, 2, ((1 + y) * e + 2 * e.diff(x)).subs(x, 1)),
        "y_min": (1, 1, (e - e.diff(y)).subs(y, 0)), "y_max": (0, 1, e.diff(y).subs(y, 1)),
    }  # fmt: skip
    found = by_hand(operator, ((0.0, 1.0), (0.0, 1.0)), walls, f, plan=BarrierPlan(8, coarse=1), variables=(x, y))
    true = math.cosh(1) / 3
    assert true <= found.bound <= 1.001 * true
    X = np.random.default_rng(0).random((50, 2))
    low, high = range_of(found, X)
    values = np.cos(X[:, 0]) * np.cosh(X[:, 1]) / 3
    assert (low <= values).all() and (values <= high).all() and (high - low).max() < 1e-3


@pytest.mark.slow
def test_heat_in_two_dimensions_with_walls_of_all_kinds():
    e = sp.exp(-t) * sp.sin(x) * sp.cos(y)
    operator = {(0, 0, 1): sp.S.One, (2, 0, 0): -sp.S.One, (0, 2, 0): -sp.Rational(1, 2)}
    f = e.diff(t) - e.diff(x, 2) - e.diff(y, 2) / 2
    walls = {"x_min": (*GIVEN, 0), "x_max": (1, 3, (e + 3 * e.diff(x)).subs(x, 1)), "y_min": (*FLUX, 0),
             "y_max": (*GIVEN, e.subs(y, 1))}  # fmt: skip
    found = by_hand(operator, ((0.0, 1.0), (0.0, 1.0), (0.0, 0.5)), walls, f, e.subs(t, 0),
                    plan=BarrierPlan(4, coarse=1, degree_in_time=3, slabs=4, first=4), variables=(x, y, t))  # fmt: skip
    true = math.sin(1)
    assert true <= found.bound <= 1.01 * true


def test_local_bounds_hold_and_norms_are_those_of_the_error():
    """Heated between losses: steady at (x (1 - x) + b) / 2 from T = 300 on, b = 2 here."""
    problem = heated([pk.Robin(u, 1, 1, 0, on="x")], 30)
    found = pk.certify(constant(problem), enclosed=True)
    X = torch.tensor([[0.0, 30.0], [0.25, 30.0], [0.5, 30.0], [0.5, 0.0]], dtype=torch.float64)
    low, high = found.at(X)
    steady = (X[:, 0] * (1 - X[:, 0]) + 1) / 2 * (X[:, 1] > 0)
    assert (low <= steady + 1e-12).all() and (steady - 1e-12 <= high).all() and (high - low).max() < 2e-2
    assert found.proof is not None and 0.625 <= found["sup"] < 0.635
    v = np.linspace(0, 1, 2001)
    assert found["L2(T)"] == pytest.approx(math.sqrt(np.mean(((v * (1 - v) + 1) / 2) ** 2)), rel=1e-2)


def test_what_a_reaction_of_the_solution_does():
    """u_t = u_xx - u^3, insulated, from 1: the function 1 is off by 1 - 1 / sqrt(1 + 2 t)."""
    problem = pk.Problem("reaction", u, u.diff(t) - u.diff(x, 2) + u**3, pk.Box(x=(0, 1), t=(0, 0.1)),
                         [pk.Initial(u, 1), pk.Neumann(u, 0, on="x")], ansatz={u: (1, t)})  # fmt: skip
    found = pk.certify(constant(problem), enclosed=True)
    true = 1 - 1 / math.sqrt(1.2)
    assert true <= found["sup"] <= 1.2 * true and found.proof.reach >= found["sup"] * (1 - 1e-6)
    low, high = found.at(torch.tensor([[0.3, 0.1]], dtype=torch.float64))
    assert float(low) <= -true <= float(high) < 0
    pytest.importorskip("flint")
    from pinnkit.certificate.checker.check import check
    from pinnkit.certificate.proof_file import record

    stored = record(found.proof)
    stored["slabs"] = stored["slabs"][:1]  # the others take seconds: their times are then missing
    assert check(stored).faults == ["slabs leave times out"]


def test_a_steady_equation_has_bounds_of_the_right_sign():
    """u'' = 2 x between u = 0 and u' = 1: u* = x^3 / 3, where the function 0 is given."""
    v = pk.field("v", x)
    problem = pk.Problem("steady", v, v.diff(x, 2) - 2 * x, pk.Box(x=(0, 1)),
                         [pk.Dirichlet(v, 0, on="x_min"), pk.Neumann(v, 1, on="x_max")],
                         ansatz={v: (0, x)})  # fmt: skip
    found = pk.certify(constant(problem), enclosed=True)
    X = torch.linspace(0, 1, 7, dtype=torch.float64)[:, None]
    low, high = found.at(X)
    assert (low <= X[:, 0] ** 3 / 3).all() and (X[:, 0] ** 3 / 3 <= high).all() and float((high - low).max()) < 1e-4
    assert 1 / 3 <= found["sup"] < 0.334 and found["L2"] == pytest.approx(1 / math.sqrt(63), rel=1e-3)


@pytest.mark.parametrize("least", [None, np.array([0.3, 0.2])])
def test_polynomials_on_cells_hold_the_function(least):
    """exp(x t) cos(3 x) by Taylor models on cells and on wider boxes around them, against 30 digits."""
    e, breaks, degrees = sp.exp(x * t) * sp.cos(3 * x), (tuple(np.linspace(-1, 1, 9)), (0.1, 0.15, 0.4)), (5, 4)
    space = Space(2, 10, 1.0)

    def model(m, h):
        return evaluate(e, dict(zip((x, t), Cells(space, m, h).coordinates(), strict=True)))

    found = of_model(model, breaks, degrees, least)
    rng = np.random.default_rng(0)
    for i, j in np.ndindex(8, 2):
        for z in rng.random((6, 2)):
            at = [sp.Rational(b[k]) + (sp.Rational(b[k + 1]) - sp.Rational(b[k])) * sp.Rational(s)
                  for b, k, s in zip(breaks, (i, j), z, strict=True)]  # fmt: skip
            weights = [[math.comb(d, k) * sp.Rational(s) ** k * (1 - sp.Rational(s)) ** (d - k) for k in range(d + 1)]
                       for d, s in zip(degrees, z, strict=True)]  # fmt: skip
            pairs = np.ndenumerate(found.coefficients[i, j])
            value = sum(sp.Rational(c) * weights[0][k] * weights[1][n] for (k, n), c in pairs)
            assert abs(value - e.subs({x: at[0], t: at[1]}).evalf(30)) <= found.radius[i, j]
    assert found.radius.max() < (1e-5 if least is None else 1e-3)


def test_the_unit_of_rounding_is_that_of_double_precision() -> None:
    """Half the distance from 1 to the next number: no rounding of a sum or a product is larger, relatively."""
    assert np.finfo(float).eps == 2 * operator_rows.U == cell_polynomials.UNIT
