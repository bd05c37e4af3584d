"""What a diffusing field does at once where its initial flux does not balance at an interface: the exact first term."""

import math

import sympy as sp
import torch

from pinnkit.statement.problem import Problem
from pinnkit.statement.singular.kink import Plane
from pinnkit.statement.singular.plane_points import beside
from pinnkit.statement.symbolic.lowering import lower
from pinnkit.statement.symbolic.notation import differentiate
from pinnkit.statement.symbolic.torch_program import Program
from pinnkit.tools.sympy_types import AppliedUndef

NEVER = 1e-30  # added to the time, so that the layer is 0 at its start and not 0/0
SMALL = 1e-9  # of the fluxes that should balance: less is rounding


def initial_layers(problem: Problem, u: AppliedUndef, start: sp.Expr) -> sp.Expr:
    """The sum of B 2 sqrt(t) ierfc(|x - a| / (2 sqrt(k t))) over the interfaces x = a of one diffusing field.

    k is the diffusivity on either side at the start; B = (the flux that the initial data ``start`` and the load lack) /
    (K+ / sqrt(k+) + K- / sqrt(k-)), K the flux's coefficient of u_x (Carslaw, Jaeger 1959, 2.9, on two media).
    The layer solves the equation with these constants on both sides and balances the flux at t = 0, where no smooth
    ansatz does. Zero where the equation is another one.
    """
    domain = problem.domain
    if domain.time is None or len(domain.space) != 1 or len(problem.fields) > 1 or len(problem.equations) > 1:
        return sp.S.Zero
    if not start.free_symbols <= {*problem.variables, *problem.values()}:
        return sp.S.Zero
    kinks = {kink.plane: kink for kink in problem.interface_problem.kinks if kink.needed and kink.power == 1}
    rows = {problem.interface_problem.planes[row.key]: row.expression for row in problem.interface_problem.rows}
    i = domain.names.index(domain.space[0])
    own = [plane for plane in kinks if plane.support == (i,)]
    return sum((_layer(problem, u, start, plane, rows[plane]) for plane in own), sp.S.Zero)


def _layer(problem: Problem, u: AppliedUndef, start: sp.Expr, plane: Plane, row: sp.Expr) -> sp.Expr:
    variables, i = problem.variables, plane.main
    (interior,) = problem.interface_problem.interior.values()
    X = torch.zeros(1, 2, dtype=torch.float64)
    X[0, i], X[0, 1 - i] = plane.offset, float(problem.domain.bounds[0, 1 - i])
    across, along = tuple(2 * (k == i) for k in range(2)), tuple(int(k != i) for k in range(2))
    slope = tuple(int(k == i) for k in range(2))
    low = lower([row, interior], problem.fields, variables)
    by = {slot.channel[0][1]: s for s, slot in low.slots.items()}
    if not {across, along, slope} <= set(by) or any(index[1 - i] > 1 for index in by):
        return sp.S.Zero
    flux, body = low.expressions
    wanted = [flux, flux.diff(by[slope]), -body.diff(by[across]) / body.diff(by[along])]
    data = {s: differentiate(start, slot.channel[0][1], variables) for s, slot in low.slots.items()}
    program = Program([e.xreplace(data).subs(problem.values()) for e in wanted], variables)
    sides = [program(dict(zip(variables, P.unbind(1), strict=True))) for P in beside(plane, X, problem.domain)]
    (up, K, k), (down, K_, k_) = ([float(torch.as_tensor(v)) for v in side] for side in sides)
    if not (k > 0 and k_ > 0 and K * K_ > 0) or abs(up - down) <= SMALL * max(abs(up), abs(down)):
        return sp.S.Zero
    B = (up - down) / (K / math.sqrt(k) + K_ / math.sqrt(k_))
    x, t = variables[i], variables[1 - i] - sp.Float(float(X[0, 1 - i]), 17) + sp.Float(NEVER)
    s = x - sp.Float(plane.offset, 17)
    above = sp.Heaviside(s, 1)
    z = s * (above / (2 * sp.Float(math.sqrt(k), 17)) - (1 - above) / (2 * sp.Float(math.sqrt(k_), 17))) / sp.sqrt(t)
    return sp.Float(B, 17) * 2 * sp.sqrt(t) * (sp.exp(-(z**2)) / sp.sqrt(sp.pi) - z * sp.erfc(z))
