"""Bounds for Burgers' equation u_t + u u_x = nu u_xx between Dirichlet data.

e = u - v, r the residual of v, L the length of the interval. Checked: exactly this equation, nu > 0 a constant, one
Dirichlet condition at either end; for the second bound values 0 at both ends and a v that solves the equation exactly:

L1(t)  |e(t)|_1 <= |e0|_1 + |r|_{L1(Q)} + G (L + int |v_x| dx dt), G the largest misfit of the walls: with
       e_t + ((u + v) e / 2)_x = nu e_xx - r, the parts of e above G and below -G do not grow but by r and G |v_x|
       (contraction in L1, Kruzhkov 1970).
sup    where v solves the equation exactly and u = 0 at the ends: |e| <= ((1 + q) max(|e0|, G) + 2 q U) / (1 - q) with
       U = max |u0|, q = exp(S / 2 nu + G / 2 nu (L / 4 + K T)) - 1, K = nu (2 / L + G / 2 nu) + U, S <= |e0|_1 / 2
       half the oscillation of int e0 dx. By the map of Cole and Hopf u = -2 nu p_x / p: the ratio R of the two p,
       at first c exp(int e0 / 2 nu), obeys R_t = nu R_xx - u R_x, |R_n| <= G / 2 nu R at the ends, hence |R - 1|
       <= q for the best c; and the slopes p_x differ, relative to p, by no more than at the start and at the ends,
       because p > 0 is itself a solution of the heat equation. (Hopf, Comm. Pure Appl. Math. 3, 1950.)
"""

import math

import sympy as sp

from pinnkit.domain.box import Box
from pinnkit.statement.checks import lowered
from pinnkit.statement.problem import Problem
from pinnkit.statement.symbolic.boundary_conditions import Dirichlet
from pinnkit.statement.symbolic.conditions import Initial
from pinnkit.statement.symbolic.place import INTERIOR
from pinnkit.statement.symbolic.residual import Residual

from .bound import Bound, Theorem
from .form import Form
from .misfit import Misfits, Norm


def viscosity(problem: Problem) -> float | None:
    """nu where the equation is a multiple of u_t + u u_x - nu u_xx = 0 in a box x, t; None for another equation."""
    box = problem.domain
    if len(problem.fields) != 1 or len(problem.equations) != 1 or problem.unknowns or not isinstance(box, Box):
        return None
    if len(box.names) != 2 or box.time != box.names[1]:
        return None
    ((name, e),) = problem.everywhere("the theorem does").items()
    row = lowered(problem, Residual(name, e, INTERIOR))
    by = {slot.channel[0][1]: s for s, slot in row.slots.items()}
    if set(by) != {(0, 0), (1, 0), (0, 1), (2, 0)}:
        return None
    same = {s: sp.Symbol(s.name, real=True) for s in e.free_symbols if s.name in problem.parameters}
    body = sp.expand(row.expressions[0].xreplace(same).subs(problem.exact_parameters))
    u, u_x, u_t, u_xx = (by[J] for J in ((0, 0), (1, 0), (0, 1), (2, 0)))
    lead = body.diff(u_t)
    if lead.free_symbols or lead == 0:
        return None
    nu = -sp.expand(body / lead).coeff(u_xx)
    left = sp.expand(body / lead - u_t - u * u_x + nu * u_xx)
    return float(nu) if left == 0 and not nu.free_symbols and nu > 0 else None


def match(f: Form) -> Theorem | None:
    """The bounds; None for another equation, ValueError with what is missing."""
    nu = viscosity(f.problem)
    if nu is None:
        return None
    f.dirichlet()
    L, T = f.sides[0], f.duration
    resting = all(isinstance(held[0], Dirichlet) and held[0].value == 0 for held in f.held.values())
    largest = _largest(f) if resting else math.inf
    x = f.problem.domain.space[0]

    def bound(m: Misfits) -> list[Bound]:
        e0, r = m.initial(), m.residual()
        G = max(m.wall(held[0], face).sup for face, held in f.held.items())
        if resting and r.sup == 0 and (q := _ratio(e0, G, nu, L, T, largest)) < 0.5:
            value = ((1 + q) * max(e0.sup, G) + 2 * q * largest) / (1 - q)
            how = "maximum principle through the Cole-Hopf map"
            return [Bound("sup", value, how), Bound("L1(t)", L * value, how)]
        turning = m.size((x,)).l1 if G else 0.0
        return [Bound("L1(t)", e0.l1 + r.l1 + G * (L + turning), "contraction in L1")]

    return bound


def _ratio(e0: Norm, G: float, nu: float, L: float, T: float, largest: float) -> float:
    """q; infinite where it is of no use."""
    small = G / (2 * nu)
    swing = e0.l1 / 2 if e0.swing is None else min(e0.swing, e0.l1 / 2)
    exponent = swing / (2 * nu) + small * (L / 4 + (nu * (2 / L + small) + largest) * T)
    return math.expm1(exponent) if exponent < 0.5 else math.inf


def _largest(f: Form) -> float:
    """max |u0|."""
    (start,) = (c for c in f.problem.conditions if isinstance(c, Initial))
    value = start.value
    known = {s: sp.Rational(f.problem.parameters[s.name]) for s in value.free_symbols if s.name in f.problem.parameters}
    return max(map(abs, f.range(value.subs(known).subs(f.problem.variables[f.t], f.problem.domain.bounds[0, f.t]))))
