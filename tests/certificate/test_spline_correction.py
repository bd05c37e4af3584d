"""Bounds through a spline that nearly is the error: what the spline leaves is enclosed, and bounds are tight."""

import math

import numpy as np
import pytest
import sympy as sp
import torch

import pinnkit as pk
from pinnkit.certificate.barrier.defect import Defect, DefectAxis
from pinnkit.certificate.barrier.patches import joined
from pinnkit.certificate.barrier.splines import SplineAxis
from pinnkit.certificate.misfits.enclosed import EnclosedMisfits
from pinnkit.certificate.misfits.spline_correction import axes
from pinnkit.certificate.theorem.proof import Enclosure
from pinnkit.certificate.theorems import theorems

x, t = pk.coordinates("x t")
u = pk.field("u", x, t)
BOX = pk.Box(x=(0, 2), t=(0, 1))
START = pk.Initial(u, 0), pk.Initial(u, 0, order=1)
ENDS = pk.Dirichlet(u, 0, on="x")
EQUATIONS = {
    "Klein-Gordon": (u.diff(t, 2) - u.diff(x, 2) + 3 * u, (ENDS,)),
    "telegraph": (u.diff(t, 2) + u.diff(t) - 2 * u.diff(x, 2), (ENDS,)),
    "beam": (u.diff(t, 2) + u.diff(x, 4) / 100, (ENDS, pk.Neumann(u, 0, on="x"))),
    "ring": (u.diff(t, 2) - u.diff(x, 2), (pk.Periodic(u, "x"),)),
}


def stated(name: str) -> pk.Problem:
    """For which (x (2 - x) t)^2 sin 2x, on the ring sin^3 (pi x) t^2, is the solution."""
    equation, ends = EQUATIONS[name]
    exact = sp.sin(sp.pi * x) ** 3 * t**2 if name == "ring" else (x * (2 - x) * t) ** 2 * sp.sin(2 * x)
    source = equation.subs(u, exact).doit()
    return pk.Problem(name, u, equation - source, BOX, [*START, *ends], reference=pk.Exact({u: exact}, {}))


def approximation(problem: pk.Problem, size: float) -> pk.Solution:
    """A network that is nearly 0 on the scale of the solution."""
    features = pk.Harmonics(("x",), 1) if problem.name == "ring" else None
    model = pk.Model(problem, pk.MLP(2, 6, 1, features=features), True)
    return pk.Solution(model, size * model.initial(3), pk.Points({}))


@pytest.mark.parametrize("name", EQUATIONS)
def test_bounds_are_the_error_itself_nearly(name: str) -> None:
    solution = approximation(stated(name), 0.5)
    found = pk.certify(solution, enclosed=True, corrected=False)
    assert not found.violations
    for b in found.bounds:
        assert b.theorem.endswith("after a spline")
        assert found.errors[b.norm] <= b.value <= 1.1 * found.errors[b.norm]


def test_what_a_spline_leaves_is_what_samples_find() -> None:
    """f is another polynomial on every cell, known within a radius: no spline reaches it."""
    problem = stated("telegraph")
    pair = axes(theorems(problem)[0], 4)
    rng = np.random.default_rng(0)
    breaks = tuple(np.array(a.spline.breaks) for a in pair)
    f = Enclosure(breaks, rng.normal(size=(4, 4, 7, 7)), np.full((4, 4), 0.01))
    defect = Defect(pair, {(0, 2): 1.0, (0, 1): 1.0, (2, 0): -2.0}, f, 1)
    left = defect.left
    C = defect.solution
    assert np.abs(C[[0, -1]]).max() == 0 == np.abs(C[:, :2]).max()
    s = (np.arange(100) + 0.5) / 100
    bernstein = np.stack([math.comb(6, k) * s**k * (1 - s) ** (6 - k) for k in range(7)], 1)
    known = np.einsum("ap,ijpq,bq->iajb", bernstein, f.coefficients, bernstein)
    applied = np.einsum(
        "ap,ipjq,bq->iajb", bernstein, defect.applied(C).reshape(4, 7, 4, 7), bernstein
    )  # fmt: skip
    missed = np.abs(known - applied)
    assert missed.max() <= left.sup - 0.01 <= 3 * missed.max()
    square = np.sqrt((missed**2).mean() * 2)
    assert 0.99 * square <= left.l2 <= 1.05 * (square + 0.01 * np.sqrt(2))


@pytest.mark.parametrize("orders", [(0,), (1,), (0, 1), (0, 2)])
def test_splines_meet_zero_conditions(orders: tuple[int, ...]) -> None:
    """At ends of elements of different widths, too."""
    axis = DefectAxis(SplineAxis((0.0, 0.2, 0.5, 0.6, 1.0), 6), (orders, orders))
    Z = axis.basis
    rows = {k: axis.rows(k).toarray() for k in range(3)}
    for k in orders:
        for row in (0, -1):
            assert np.abs(rows[k][row] @ Z).max() <= 1e-11
    assert Z.shape == (10, 10 - 2 * len(orders)) and np.linalg.matrix_rank(Z) == Z.shape[1]
    C = Z @ np.random.default_rng(0).normal(size=(Z.shape[1], 3))
    for k in orders:
        assert max(abs(v) for high in (False, True) for v in axis.at_end(C, high, k)) < 1e-10


@pytest.mark.parametrize("orders", [(0,), (1,), (0, 1), (0, 2)])
def test_splines_take_given_values_at_their_ends(orders: tuple[int, ...]) -> None:
    axis = DefectAxis(SplineAxis((0.0, 0.2, 0.5, 0.6, 1.0), 6), (orders, orders))
    rng = np.random.default_rng(1)
    given = {(high, k): rng.normal(size=2) for high in (False, True) for k in orders}
    C = axis.lifted(given, 2) + axis.basis @ rng.normal(size=(axis.basis.shape[1], 2))
    for (high, k), wanted in given.items():
        there = axis.rows(k).toarray()[-1 if high else 0] @ C
        assert there == pytest.approx(wanted, abs=1e-10)
        assert [float(v) for v in axis.at_end(C, high, k)] == pytest.approx(wanted.tolist(), abs=1e-10)


def test_polynomials_of_parts_are_joined() -> None:
    """A function that is known on halves and quarters of cells lies within the radius of one polynomial a cell."""
    rng = np.random.default_rng(2)
    fine = Enclosure((np.linspace(0, 1, 5), np.linspace(0, 2, 5)), rng.normal(size=(4, 4, 3, 4)), rng.random((4, 4)))
    found = joined(fine, ((0.0, 0.5, 1.0), (0.0, 2.0)), (2, 4))
    assert found.coefficients.shape == (2, 1, 3, 4)
    for X in rng.random((50, 2)) * [1, 2]:
        a, b = value(fine, X), value(found, X)
        cells = [tuple(min(int(v / h), n - 1) for v, h, n in zip(X, g, m, strict=True))
                 for g, m in (((0.25, 0.5), (4, 4)), ((0.5, 2.0), (2, 1)))]  # fmt: skip
        assert abs(a - b) + fine.radius[cells[0]] <= found.radius[cells[1]]
    smooth = Enclosure(fine.breaks, np.ones((4, 4, 3, 4)), np.zeros((4, 4)))
    assert joined(smooth, ((0.0, 0.5, 1.0), (0.0, 2.0)), (2, 4)).radius.max() < 1e-12


def value(f: Enclosure, X: np.ndarray) -> float:
    """The polynomial at a point."""
    cell, c = [], f.coefficients
    for v, b in zip(X, f.breaks, strict=True):
        cell.append(min(int(np.searchsorted(b, v, "right")) - 1, len(b) - 2))
    c = c[tuple(cell)]
    for i, (v, b) in enumerate(zip(X, f.breaks, strict=True)):
        s, n = (v - b[cell[i]]) / (b[cell[i] + 1] - b[cell[i]]), c.shape[0] - 1
        c = np.tensordot([math.comb(n, k) * s**k * (1 - s) ** (n - k) for k in range(n + 1)], c, (0, 0))
    return float(c)


def test_rounding_of_values_is_in_the_bounds() -> None:
    """Of a network in single precision its values are further from the function than this is from the solution."""
    problem = pk.Problem("nothing", u, u.diff(t) - u.diff(x, 2), BOX, [pk.Initial(u, 0), ENDS])
    model = pk.Model(problem, pk.MLP(2, 4, 1), True)
    seen = []
    for dtype in (torch.float64, torch.float32):
        theta = model.initial(0).to(dtype)
        own = EnclosedMisfits(pk.Solution(model, theta, pk.Points({})), theorems(problem)[0], 1.0)
        seen.append(own.apart("sup"))
    assert 0 < seen[0] < 1e-14 < 1e-9 < seen[1] < 1e-6


def test_a_nonlinear_equation_gets_no_spline() -> None:
    """The maximum principle asks for walls first; u_t - u_xx + u^3 = 1 has no constant coefficients to move it by."""
    box = pk.Box(x=(0, 1), t=(0, 1))
    p = pk.Problem("cubic", u, u.diff(t) - u.diff(x, 2) + u**3 - 1, box, [pk.Initial(u, 0), pk.Dirichlet(u, 0, on="x")])
    net = pk.MLP(2, 4, 1)
    zero = torch.zeros_like(net.initial(p.domain, 0))
    found = pk.certify(pk.Solution(pk.Model(p, net, True), zero, pk.Points({})), enclosed=True)
    assert 0.12 < found["sup"] <= 1.0 + 1e-9  # u is nearly x (1 - x) / 2 at the end
