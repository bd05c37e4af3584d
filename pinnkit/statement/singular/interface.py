"""Interfaces: planes on which an equation holds delta functions or a coefficient jumps, and what must hold there."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import sympy as sp
import torch
from torch import Tensor

from pinnkit.statement.symbolic.boundary_conditions import Operator
from pinnkit.statement.symbolic.channels import Index
from pinnkit.statement.symbolic.conservation import Divergence
from pinnkit.statement.symbolic.integral import with_integrals
from pinnkit.statement.symbolic.notation import differentiate
from pinnkit.statement.symbolic.place import interface
from pinnkit.statement.symbolic.record import Record
from pinnkit.statement.symbolic.residual import Residual
from pinnkit.statement.symbolic.torch_program import Opaque
from pinnkit.tools.sympy_types import AppliedUndef

from .hidden_steps import hidden_steps
from .kink import Kink, Plane
from .plane_points import beside, on_plane
from .point_mass import GAUSSIAN, MIXED, PointMassEquation
from .regularity import LOST, STEPS
from .zero_set import NotPlanar, planes_of

PROBES = 256  # points at which coefficients are compared across a plane
ALIKE = 1e-9  # of their size: how far values may differ that are the same


@dataclass(frozen=True)
class InterfaceProblem:
    """Equations without their delta functions, the interfaces by the name of their point set, and what holds there."""

    interior: Mapping[str, sp.Expr]
    planes: Mapping[str, Plane] = field(default_factory=dict)
    rows: tuple[Residual, ...] = ()
    kinks: tuple[Kink, ...] = ()


def interface_problem(problem: Record) -> InterfaceProblem:
    """The equations of a problem in the sense of distributions.

    Let a field u have order m across a plane. Its derivatives below order m - 1 are continuous there, and the delta
    functions of an equation balance: [k du/dn] + strength = 0 for div(k grad u), [a d^(m-1)u/dn^(m-1)] + strength = 0
    for a d^m u/dn^m with a continuous a; [.] is the jump, from the lower to the upper side.

    Raises:
        ValueError: a delta function or a jump for which that cannot be stated, with a sentence on what to do.
    """
    for c in problem.conditions:
        nodes = c.expression.atoms(Divergence) if isinstance(c, Operator) and isinstance(c.expression, sp.Basic) else ()
        if any(node.coefficient.has(*STEPS) for node in nodes):
            raise ValueError(
                f"{problem.name}, {c.name!r}: a divergence with a jumping coefficient is solved in equations, not in "
                "conditions: state it among the equations"
            )
    equations = {}
    for name, e in problem.equations.items():
        try:
            equations[name] = with_integrals(e, problem.fields, problem.variables)
        except ValueError as error:
            raise ValueError(f"{problem.name}, {name!r}: {error}") from None
    stated = [PointMassEquation(problem, name, e) for name, e in equations.items()]
    if not any(one.singular for one in stated):
        return InterfaceProblem(equations)
    planes = dict.fromkeys(plane for one in stated for plane in (*one.weights, *_jumps(one)))
    every = [_Interface(problem, plane, stated) for plane in planes]
    found = {_name(one.plane, problem): one for one in every if one.strong}
    rows = tuple(row for name, one in found.items() for row in one.rows(name))
    kinks = (*(one.kink for one in found.values()), *(one.kink for one in every if one.weak))
    return InterfaceProblem(
        {one.name: one.interior for one in stated}, {n: one.plane for n, one in found.items()}, rows, kinks
    )


def _name(plane: Plane, problem: Record) -> str:
    pairs = zip(plane.normal, problem.domain.names, strict=True)
    terms = [name if w == 1 else f"{w:.10g}*{name}" for w, name in pairs if w]
    return f"{'+'.join(terms).replace('+-', '-')}={plane.offset:.10g}"


def _jumps(one: PointMassEquation) -> Iterator[Plane]:
    """Planes on which a coefficient or a source of an equation may jump.

    Raises:
        ValueError: a coefficient of a highest derivative that jumps elsewhere.
    """
    parts = [(node.coefficient, True) for node in one.nodes.values()]
    most = max((sum(slot.channel[0][1]) for slot in one.slots.values()), default=0)
    parts += [(one.body.diff(s), sum(slot.channel[0][1]) == most > 1) for s, slot in one.slots.items()]
    parts.append((one.body, False))
    for k, leading in parts:
        for g in (*_steps(k), *hidden_steps(one, k, leading)):
            fields = g.free_symbols & set(one.slots) or g.atoms(AppliedUndef)
            if fields and not leading:
                continue
            try:
                found = planes_of(one.place(g, k), one.problem.variables, one.problem.domain)
            except NotPlanar:
                if leading and _jumps_on(one, k, g):
                    raise ValueError(
                        f"{one.where}: the coefficient {k} of a highest derivative jumps where {g} = 0, which is no "
                        f"plane of the coordinates: {MIXED}, state one problem for each side, or smooth it, as with "
                        "(1 + tanh(g/w))/2"
                    ) from None
                continue
            yield from (plane for plane, _ in found if plane.side(one.problem.domain) > 0)


def _steps(k: sp.Expr) -> list[sp.Expr]:
    """Formulas that vanish where an expression may jump."""
    found = [h.args[0] for h in k.atoms(sp.Heaviside, sp.sign)]
    found += [r.lhs - r.rhs for p in k.atoms(sp.Piecewise) for r in p.atoms(sp.core.relational.Relational)]
    found += [sp.sin(sp.pi * f.args[0]) for f in k.atoms(sp.floor, sp.ceiling)]
    return found + [sp.sin(sp.pi * f.args[0] / f.args[1]) for f in k.atoms(sp.Mod)]


def _jumps_on(one: PointMassEquation, k: sp.Expr, g: sp.Expr) -> bool:
    """Whether k jumps where g changes its sign, at pairs of points found by bisection between random ones."""
    X = one.problem.domain.sample(4096, method="random", seed=5)
    level = one.values([g], X)[0]
    a, b = X[:-1], X[1:]
    turns = level[:-1] * level[1:] < 0
    a, b, sign = a[turns][:PROBES], b[turns][:PROBES], level[:-1][turns][:PROBES].sign()
    for _ in range(60 if len(a) else 0):
        middle = (a + b) / 2
        same = (one.values([g], middle)[0].sign() == sign)[:, None]
        a, b = torch.where(same, middle, a), torch.where(same, b, middle)
    return bool(len(a)) and _differ(one.values([k], a)[0], one.values([k], b)[0], 1e-6)


def _differ(a: Tensor, b: Tensor, tolerance: float = ALIKE) -> bool:
    """Whether two arrays differ somewhere; where one is not a number is nobody's business."""
    gap = (a - b).abs()
    return bool((gap > tolerance * torch.maximum(a.abs(), b.abs()).nan_to_num().max()).any())


class _Interface:
    """One plane, and what the equations say across it."""

    def __init__(self, problem: Record, plane: Plane, stated: Sequence[PointMassEquation]) -> None:
        self.problem, self.plane = problem, plane
        X = on_plane(plane, problem.domain, PROBES)
        self.sides = [_Across(one, plane, beside(plane, X, problem.domain)) for one in stated] if len(X) else []
        self.strong = any(side.strong for side in self.sides)

    @cached_property
    def orders(self) -> dict[int, int]:
        """m, the highest derivative across the plane, of every field that is differentiated across it."""
        found: dict[int, int] = {}
        for side in self.sides:
            for f, m in side.orders.items():
                found[f] = max(found.get(f, 0), m)
        return found

    @cached_property
    def powers(self) -> dict[int, int]:
        """The order of the first derivative of every such field that may jump."""
        bent = self._leading(side for side in self.sides if side.strong)
        return {f: m - (f in bent) for f, m in self.orders.items()}

    def _leading(self, sides: Iterable["_Across"]) -> set[int]:
        """The fields of which these equations hold the highest derivative."""
        return {f for side in sides for f, m in side.orders.items() if m == self.orders[f]}

    @property
    def weak(self) -> bool:
        """Whether an equation jumps, and the highest derivative of a field with it."""
        return not self.strong and bool(self._leading(side for side in self.sides if side.jumps))

    @property
    def kink(self) -> Kink:
        """The feature that every field sees."""
        if self.weak:
            leading = self._leading(side for side in self.sides if side.jumps)
            return Kink(self.plane, min(self.orders[f] for f in leading), needed=False)
        ratios = {side.ratio(self.powers) for side in self.sides} - {1.0}
        return Kink(self.plane, min(self.powers.values()), ratios.pop() if len(ratios) == 1 else 1.0)

    def rows(self, key: str) -> Iterator[Residual]:
        """What must agree on both sides: fluxes with the strengths of loads, and what else is continuous."""
        place = interface(key)
        for side in self.sides:
            if not side.orders and side.strong:
                raise ValueError(
                    f"{side.one.where}: there is a DiracDelta on {key}, and no field is differentiated across it: "
                    f"{GAUSSIAN}"
                )
            if any(m > self.powers[f] for f, m in side.orders.items()):
                yield Residual(f"{side.one.name} on {key}", side.balance(self.powers), place, True, "interface")
        for f, power in self.powers.items():
            for j in range(self.kink.power, power):
                u = self.problem.fields[f]
                what = f"{u.func}" + f" (d{j})" * (j > 0)
                yield Residual(f"{what} on {key}", _derivative(u, self.plane, j), place, True, "interface", j)


def _derivative(u: AppliedUndef, plane: Plane, order: int) -> sp.Expr:
    return u.diff(u.args[plane.main], order) if order else u


class _Across:
    """One equation across a plane: ``orders`` of its fields; ``strong`` where it makes a derivative jump."""

    def __init__(self, one: PointMassEquation, plane: Plane, pairs: tuple[Tensor, Tensor]) -> None:
        self.one, self.plane, self.pairs = one, plane, pairs
        self.fields, self.variables = one.problem.fields, one.problem.variables
        slots = {s: (slot.output, slot.channel[0][1]) for s, slot in one.slots.items()}
        self.slots = {s: (f, index, self._order(index)) for s, (f, index) in slots.items()}
        self.nodes = {v: n for v, n in one.nodes.items() if self._flux(n) != 0}
        self.orders: dict[int, int] = {}
        for s, (f, _, order) in self.slots.items():
            if order and one.body.diff(s) != 0:
                self.orders[f] = max(self.orders.get(f, 0), order)
        for node in self.nodes.values():
            self.orders |= {f: max(2, self.orders.get(f, 0)) for f, u in enumerate(self.fields) if node.u.has(u)}
        self.weight = one.weights.get(plane, sp.S.Zero)
        self.bent = [v for v, node in self.nodes.items() if self._jump(node.coefficient)]
        self.steps = [s for s in self._leading if self._jump(one.body.diff(s))]
        self.strong = self.weight != 0 or bool(self.bent)
        self._check_steps()

    @property
    def jumps(self) -> bool:
        """Whether the equation jumps across the plane when its highest derivatives do not, and they can follow it."""
        parts = {s: self.one.body.diff(s) for s in self._leading}
        total = self._sum(parts, {v: self.one.body.diff(v) for v in self.nodes})
        return self._jump(self.one.body) and not self._vanishes(total)

    def _vanishes(self, e: sp.Expr) -> bool:
        return any(bool((v.abs() < 1e-12).any()) for v in self._both(e))

    @cached_property
    def _leading(self) -> dict[sp.Symbol, tuple[int, Index, int]]:
        return {s: slot for s, slot in self.slots.items() if slot[2] and slot[2] == self.orders.get(slot[0])}

    def _order(self, index: Index) -> int:
        return sum(index[i] for i in self.plane.support)

    def _flux(self, node: Divergence) -> sp.Expr:
        """grad u . normal."""
        at = {self.variables[i]: self.plane.normal[i] for i in self.plane.support}
        return sum(_number(at[x]) * node.u.diff(x) for x in node.coordinates if x in at)

    def _both(self, e: sp.Expr) -> tuple[Tensor, Tensor]:
        up, down = (self.one.values([e], X)[0] for X in self.pairs)
        return up, down

    def _jump(self, e: sp.Expr) -> bool:
        return bool(e.has(*STEPS, Opaque)) and _differ(*self._both(e))

    def _check_steps(self) -> None:
        """Jumping coefficients of highest derivatives whose delta function SymPy has dropped."""
        for s in self.steps if self.weight == 0 else ():
            f, _, order = self.slots[s]
            a = self.one.body.diff(s)
            if a.has(*LOST, Opaque) and (order > 1 or len(self.fields) == 1):
                name, u = self._named(s), self.fields[f]
                cures = {
                    1: f"write the jump of {a} with Heaviside, of which SymPy keeps the delta function",
                    2: f"write pk.divergence(k, {u}) for div(k grad {u.func})",
                }
                raise ValueError(
                    f"{self.one.where}: the coefficient {a} of the highest derivative {name} jumps, and SymPy drops "
                    f"what that adds to the derivative of a flux: {cures.get(order, MIXED)}; if {a} times {name} is "
                    "meant as it stands, divide the equation by it"
                )

    def _named(self, s: sp.Symbol) -> sp.Expr:
        f, index, _ = self.slots[s]
        return differentiate(self.fields[f], index)

    def balance(self, powers: Mapping[int, int]) -> sp.Expr:
        """What has the same value on both sides: the flux, and the strength of a load on the upper side.

        Raises:
            ValueError: products of delta functions and jumps, or a plane along which the equation carries jumps.
        """
        jumping = {s for s, (f, _, order) in self.slots.items() if f in powers and order >= powers[f]}
        flux = sp.S.Zero
        parts, nodes, alone = self._parts(powers)
        for e in (*parts.values(), *nodes.values()):
            if e.free_symbols & (jumping | set(nodes)):
                self._refuse(f"a highest derivative is multiplied by what jumps ({self._readable(e)})")
        for v, c in nodes.items():
            if self._jump(c) and not alone:
                self._refuse(f"{self.nodes[v]} is multiplied by what jumps ({self._readable(c)})")
            k = (sp.S.One if alone else c) * self.nodes[v].coefficient
            flux += k * self._flux(self.nodes[v])
        strength = self.weight
        expected: dict = {}
        for s, a in parts.items():
            f, index, order = self.slots[s]
            for weight, lower in self._lowered(index, order):
                flux += a * weight * differentiate(self.fields[f], lower)
                if s in self.steps:
                    expected.setdefault((f, lower), []).append((a, weight))
        self._match(strength, expected, jumping)
        strength = strength.xreplace(dict.fromkeys(jumping, sp.S.Zero))
        if self._jump(strength):
            self._refuse(f"its strength {self._readable(strength)} jumps there")
        if self._vanishes(self._total(powers)):
            self._refuse("the equation carries jumps along it, or loses its highest derivative there")
        height = sum(_number(w) * x for w, x in zip(self.plane.normal, self.variables, strict=True) if w)
        up = sp.Heaviside(height - sp.Float(self.plane.offset, 17), 1)
        return self._readable(flux + strength * up)

    def _parts(self, powers: Mapping[int, int]) -> tuple[dict, dict, bool]:
        """Coefficients of highest derivatives and of divergences; whether one divergence is all there is."""
        parts = {s: self.one.body.diff(s) for s in self._leading if self.slots[s][2] > powers[self.slots[s][0]]}
        nodes = {v: self.one.body.diff(v) for v in self.nodes}
        return parts, nodes, len(nodes) == 1 and not parts and self.weight == 0

    def _total(self, powers: Mapping[int, int]) -> sp.Expr:
        """What the jump of the highest derivative but one is multiplied by, one field being like another."""
        parts, nodes, alone = self._parts(powers)
        return self._sum(parts, dict.fromkeys(nodes, sp.S.One) if alone else nodes)

    def _sum(self, parts: Mapping[sp.Symbol, sp.Expr], nodes: Mapping[sp.Symbol, sp.Expr]) -> sp.Expr:
        """The sum of all coefficients times the normal's components that go with them."""
        w = self.plane.normal
        total = sum((c * self.nodes[v].coefficient for v, c in nodes.items()), sp.S.Zero) * sum(a * a for a in w)
        index = {s: self.slots[s][1] for s in parts}
        slopes = {s: sp.prod(_number(w[i]) ** index[s][i] for i in self.plane.support) for s in parts}
        return total + sum(a * slopes[s] for s, a in parts.items())

    def ratio(self, powers: Mapping[int, int]) -> float:
        """The flux coefficient above the plane over that below, its geometric mean; 1 where it does not jump."""
        if not self.strong or not (self.bent or self.steps) or len(self.orders) > 1:
            return 1.0
        up, down = self._both(self._total(powers))
        ratio = up / down
        return float(ratio.log().mean().exp()) if bool((ratio > 0).all()) else 1.0

    def _lowered(self, index: Index, order: int) -> list[tuple[sp.Expr, Index]]:
        """Derivatives of one order less whose jump, times a, is the weight of the delta function in a D^index u."""
        S, w = self.plane.support, self.plane.normal

        def less(i: int, start: Index = index) -> Index:
            return tuple(k - (n == i) for n, k in enumerate(start))

        if order == 2:
            pair = [i for i in S for _ in range(index[i])]
            if pair[0] == pair[1]:
                return [(_number(w[pair[0]]), less(pair[0]))]
            return [(_number(w[j]) / 2, less(i)) for i, j in (pair, pair[::-1])]
        tangential = tuple(0 if i in S else k for i, k in enumerate(index))
        lower = tuple(k + (order - 1) * (i == self.plane.main) for i, k in enumerate(tangential))
        return [(sp.prod(_number(w[i]) ** index[i] for i in S), lower)]

    def _match(self, strength: sp.Expr, expected: Mapping, jumping: set[sp.Symbol]) -> None:
        """The delta functions that multiply a derivative which jumps must be those of a divergence."""
        known = {(f, index): s for s, (f, index, _) in self.slots.items()}
        symbols = {s: key for key, s in known.items() if s in jumping}
        if set(expected) - {symbols[s] for s in symbols}:
            self._refuse("a coefficient jumps there, without the delta function of a divergence")
        for s, key in symbols.items():
            b = strength.diff(s)
            if b.free_symbols & jumping:
                self._refuse(f"the DiracDelta is multiplied by what jumps ({self._readable(strength)})")
            found = self._both(b)[0]
            wanted = torch.zeros_like(found)
            for a, weight in expected.get(key, ()):
                up, down = self._both(a)
                wanted = wanted + float(weight) * (up - down)
            if _differ(found, wanted, 1e-6):
                self._refuse(f"the DiracDelta is multiplied by {self._named(s)}, which jumps")

    def _readable(self, e: sp.Expr) -> sp.Expr:
        """An expression with fields' derivatives and divergences for the symbols that stand for them."""
        return e.xreplace({s: self._named(s) for s in self.slots} | dict(self.one.nodes))

    def _refuse(self, why: str) -> None:
        raise ValueError(
            f"{self.one.where}: across {_name(self.plane, self.one.problem)} the equation has no sense, as {why}: "
            f"write fluxes as pk.divergence(k, u), {MIXED}, or smooth the jump"
        )


def _number(w: float) -> sp.Expr:
    return sp.Integer(int(w)) if w == int(w) else sp.Float(w, 17)
