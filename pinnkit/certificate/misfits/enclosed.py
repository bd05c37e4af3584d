"""Misfits of a trained network, enclosed: rigorous upper bounds of their norms by Taylor models."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar

import numpy as np
import sympy as sp
import torch
from torch import Tensor

from pinnkit.certificate.barrier.cell_polynomials import Breaks, closer, of_expression
from pinnkit.certificate.barrier.patches import Patches
from pinnkit.certificate.enclosure.field_enclosure import FieldEnclosure
from pinnkit.certificate.enclosure.network_enclosure import Cells, evaluate, supported
from pinnkit.certificate.enclosure.periodic_jump import periodic_jump
from pinnkit.certificate.norms import box as cover
from pinnkit.certificate.norms import interval as enclosure
from pinnkit.certificate.norms import rectangle as surface
from pinnkit.certificate.theorem import elliptic
from pinnkit.certificate.theorem.misfit import Norm
from pinnkit.certificate.theorem.proof import Enclosure
from pinnkit.certificate.validated.taylor_model import Space, TaylorModel
from pinnkit.domain.box import Box, Domain
from pinnkit.statement.checks import lowered
from pinnkit.statement.symbolic.conditions import Periodic
from pinnkit.statement.symbolic.lowering import lower
from pinnkit.statement.symbolic.place import INTERIOR
from pinnkit.statement.symbolic.residual import Residual

from .norms import MisfitNorms

DEGREE = 10  # of the Taylor polynomials
FINER = {1: 18, 2: 18, 3: 12}  # the same with coefficients to twice the digits, by the number of coordinates
COORDINATES = 3  # at most: with more there are too many terms
RADIUS = 1.5  # in which their tails are bounded, so that they can be differentiated
MOST = 20_000  # cells looked at for one norm
STEEPER = 5  # halvings of cells whose series do not converge
ROUNDED = 256  # points at which the rounding of values is looked at
PLACES = 24  # at which cells are tried
NARROW = (3, 4, 5, 6, 7, 8)  # their half widths, as powers of 1/2 of the sides
FLOOR = 1e-12  # of the size of the solution: below it an enclosure need not be tight
FINEST = 1e-22  # the same with coefficients to twice the digits
SMALL = 1e-3  # of the largest value: radii of polynomials are not to be smaller
LESS = 10.0  # times as large may radii be before twice the digits are taken

Function = Callable[[Cells, Space], tuple[TaylorModel, Tensor]]


@dataclass(eq=False)
class EnclosedMisfits(MisfitNorms):
    """Norms of what a network misses, the equation's residual included, by Taylor models on cells that are split.

    What holds: the function g + d N(x) in exact arithmetic, N having the trained weights (floats are rational numbers)
    and g, d being those of the hard constraints, misses the conditions and the equation by no more than these norms;
    with a theorem its error is no larger than the bound. All rounding on the way is bounded too, provided that sums and
    products are those of IEEE 754 and elementary functions are right to 2^-48 (`interval`). What does not follow: how
    far the numbers that ``solution(X)`` returns are from that function (twice what is seen at some points is added to
    the bounds), or that the problem describes what it is meant to.

    That a misfit of initial or boundary values vanishes is proved with symbols, in rational arithmetic; else what the
    network does not reach of it is enclosed by intervals, and all the rest as the equation's residual is.
    """

    rigorous: ClassVar[bool] = True
    signed: ClassVar[bool] = True
    scale: float
    looked: int = 0
    tight: bool = True
    finer: bool = False
    _models: dict = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        problem, f = self.solution.problem, self.form
        self._refuse(not isinstance(problem.domain, Box), "its domain is not a box")
        d = len(problem.variables)
        self._refuse(d > COORDINATES, f"it has {d} coordinates, more than {COORDINATES}")
        why = elliptic.critical(f) or supported(self._field.tape)
        self._refuse(why is not None, str(why))

    def _refuse(self, bad: bool, why: str) -> None:
        if bad:
            raise ValueError(f"{self.solution.problem.name} is not enclosed: {why}; certify it with samples")

    @property
    def evaluation(self) -> str:
        """How the norms were found."""
        how = f"enclosed by Taylor models of degree {DEGREE} on {self.looked} cells"
        if self.finer:
            finest = FINER[len(self.solution.problem.variables)]
            how = how.replace(f"{DEGREE}", f"{DEGREE} or, to twice the digits, {finest}")
        how += f"; rounding of values, {self._rounded:.0e} by what was seen, is in the bounds"
        if self._field.periodic_jump is not None:
            how += f"; what jumps at the periodic ends, by {self._jump(0).sup:.0e} at most, is in the bounds"
        return how if self.tight else f"{how}, which were too few for tight bounds"

    def residual(self) -> Norm:
        """Of the equation."""
        ((name, e),) = self.solution.problem.everywhere("certificates do").items()
        return self._norm(Residual(name, e / self.form.lead, INTERIOR), (), {})

    def size(self, by: tuple[str, ...] = ()) -> Norm:
        """Of the solution or a derivative."""
        return self._norm(Residual("u", self.solution.problem.fields[0], INTERIOR), by, {})

    def periodic(self, condition: Periodic) -> None:
        """The jumps are taken off the network: what is left is periodic."""

    def apart(self, norm: str) -> float:
        """By how much the function that the theorems bound differs from what the solution returns.

        These are the jumps at periodic ends, and twice the rounding of values that is seen at some points.
        """
        jump, d = self._field.periodic_jump, self.solution.problem.domain
        sides = {n: float(v) for n, v in zip(d.names, np.ptp(d.bounds, axis=0), strict=True)}
        space = math.prod(v for n, v in sides.items() if n != d.time)
        root = {"L2": space, "L2(Q)": math.prod(sides.values()), "L2(t)": space, "L2(T)": space, "L1(t)": space**2}
        rounded = 0.0 if norm.startswith("H") else self._rounded * math.sqrt(root.get(norm, 1.0))
        return rounded + (0.0 if jump is None else jump.added([self._jump(k) for k in range(jump.orders)], norm))

    @cached_property
    def _rounded(self) -> float:
        """Twice the largest difference, at some points, between the function and the numbers that stand for it."""
        box, d = self.solution.problem.domain, len(self.solution.problem.variables)
        X = box.sample(ROUNDED, method="random", seed=0).double()
        whole, space = Space(d, 1, RADIUS, True), Space(d, 1, 1.0, True)
        half = torch.as_tensor(np.ptp(box.bounds, axis=0))[:, None].expand(d, len(X)) * 2.0**-20
        zero = (0,) * d
        with torch.no_grad():
            cells = Cells(whole, X.T.contiguous(), half.contiguous())
            f = FieldEnclosure(self.solution).on([zero], cells, space)[0][zero]
            seen = self.solution(X.to(self.solution.theta))[:, 0].cpu().double()
        return 2 * float(((seen - f.c[0]) - f.low[0]).abs().max())

    @cached_property
    def _field(self) -> FieldEnclosure:
        return FieldEnclosure(self.solution, periodic_jump(self.form))

    def _jump(self, k: int) -> Norm:
        """Of the jump of derivative number k at the periodic ends."""
        joint = self._field.joint
        name, d = joint.name(self.form, k), len(self.solution.problem.variables)
        if name not in self._names:
            index = tuple(k if i == joint.axis else 0 for i in range(d))

            def jump(cells: Cells, space: Space) -> tuple[TaylorModel, Tensor]:
                found, steep = self._field.jumps([index], cells, space)
                return found[index].single(), steep

            self._names[name] = self._cover(jump, k, {joint.variable.name: joint.low})
        return self._names[name]

    def _made(self, residual: Residual, by: tuple[str, ...], fixed: dict[str, float]) -> Norm:
        problem, box, e = self.solution.problem, self.solution.problem.domain, residual.expression
        for name in by:
            e = sp.diff(e, problem.variables[box.names.index(name)])
        e = self._field.exactly(e)
        rest = self._without_network(e, fixed) if fixed and self._field.periodic_jump is None else None
        stated = Residual(residual.name, e, residual.place)
        norm = self._plain(rest, fixed) if rest is not None else self._covered(stated, fixed)
        if not math.isfinite(norm.sup):
            raise ValueError(f"{problem.name}: {residual.name!r} could not be enclosed: use samples")
        return norm

    def _without_network(self, e: sp.Expr, fixed: dict[str, float]) -> sp.Expr | None:
        """A misfit on a face where the network does not enter it: an expression of the coordinates; else None."""
        problem = self.solution.problem
        g, d = self._field.ansatz
        network = sp.Function("N", real=True)(*problem.variables)
        try:
            row = lower([e.subs(problem.fields[0], g + d * network).doit()], [network], problem.variables)
        except ValueError:  # derivatives of a callable: they have no enclosure either, which `evaluate` says
            return None
        face = {s: sp.Rational(fixed[s.name]) for s in problem.variables if s.name in fixed}
        body = row.expressions[0].subs(face)
        if body.has(sp.nan, sp.zoo, sp.oo, -sp.oo) or any(sp.expand(body.diff(s)) != 0 for s in row.slots):
            return None
        rest = sp.expand(body.xreplace(dict.fromkeys(row.slots, sp.S.Zero)))
        return sp.simplify(rest) if rest != 0 else rest

    def _plain(self, e: sp.Expr, fixed: dict[str, float]) -> Norm:
        """Of an expression of the coordinates that are not fixed."""
        if e == 0:
            return Norm()
        box = self.solution.problem.domain
        free = [i for i, n in enumerate(box.names) if n not in fixed]
        x, ends = [self.solution.problem.variables[i] for i in free], [tuple(box.bounds[:, i].tolist()) for i in free]
        along = box.names.index(box.time) if box.time in box.names else None
        if len(free) < 2:
            line = (x[0], ends[0]) if free else (sp.Dummy(real=True), (0.0, 1.0))
            found = enclosure.interval_norms(e, *line, {}, FLOOR * self.scale)
        else:
            found = surface.rectangle_norms(
                e, x, ends, {}, FLOOR * self.scale, free.index(along) if along in free else None
            )
        self.looked += found.cells
        return found.norm

    def _covered(self, residual: Residual, fixed: dict[str, float]) -> Norm:
        """Of an expression of the network and its derivatives."""
        function, order = self._function(residual)
        return self._cover(function, order, fixed)

    def cells(self, residual: Residual, breaks: Breaks, degrees: Sequence[int], small: float = SMALL) -> Enclosure:
        """A misfit as polynomials on the cells of a grid, on a face where a coordinate has one break only.

        Radii are not made smaller than ``small`` times the largest value.

        Raises:
            ValueError: a misfit that has no enclosure.
        """
        box = self.solution.problem.domain
        fixed = {n: b[0] for n, b in zip(box.names, breaks, strict=True) if len(b) == 1}
        key = residual.name, residual.expression, tuple(fixed.items()), small
        if key not in self._models:
            stated = Residual(residual.name, self._field.exactly(residual.expression), residual.place)
            rest = (
                self._without_network(stated.expression, fixed) if fixed and self._field.periodic_jump is None else None
            )
            self._models[key] = rest, [] if rest is not None else self._patches(stated, fixed, small)
        rest, patches = self._models[key]
        if rest is not None:
            return of_expression(rest, self.solution.problem.variables, breaks, degrees)
        found = patches[0].on(breaks, degrees)
        for finer in patches[1:]:  # some cells lie where the network is steeper than at the places looked at
            if found.radius.max() <= small * np.abs(found.coefficients).max():
                break
            before, found = found, closer(found, finer.on(breaks, degrees))
            if found.radius.max() > before.radius.max() / 2:
                break
        return found

    def _patches(self, stated: Residual, fixed: dict[str, float], small: float) -> list[Patches]:
        """A misfit's Taylor models on boxes of the half widths at which their radii are least, and on narrower ones.

        In wide boxes tails are large, in narrow ones the rounding of derivatives; looked at in some places.
        """
        box = self.solution.problem.domain
        model, half, _ = self._tried(*self._function(stated), fixed, small)
        low = np.array([fixed.get(n, a) for n, a in zip(box.names, box.bounds[0].tolist(), strict=True)])
        sides = np.where([n in fixed for n in box.names], 0.0, np.ptp(box.bounds, axis=0))
        return [Patches(model, low, half / 2.0**k, sides) for k in range(STEEPER)]

    def _tried(
        self, function: Function, order: int, fixed: dict[str, float], small: float, fine: bool = False
    ) -> tuple[Callable, np.ndarray, bool]:
        """A function's Taylor models, half widths at which their radii are least, and whether for these to be small
        beside it they have to have twice the digits.
        """
        box = self.solution.problem.domain
        low, sides = box.bounds[0], np.ptp(box.bounds, axis=0)
        places = low + sides * np.random.default_rng(0).random((PLACES, len(sides)))
        for n, v in fixed.items():
            places[:, box.names.index(n)] = v
        whole, space = spaces(len(sides), order, fine)

        def model(middle: Tensor, half: Tensor) -> TaylorModel:
            return function(Cells(whole, middle, half), space)[0]

        found, seen = [], 0.0
        for k in NARROW:
            half = torch.as_tensor(np.tile(sides * 2.0**-k, (PLACES, 1)).T.copy())
            with torch.no_grad():
                f = model(torch.as_tensor(places.T.copy()), half)
            rest, seen = float(f.rest.nan_to_num(nan=math.inf).max()), float(f.c[0].abs().max())
            found.append((rest, k))
            worse = len(found) > 1 and math.isfinite(rest) and rest > found[-2][0] / 2
            if worse or rest <= small * seen:
                break
        if fine or min(found)[0] <= LESS * small * seen:
            return model, sides * 2.0 ** -min(found)[1], fine
        return self._tried(function, order, fixed, small, True)

    def _function(self, residual: Residual) -> tuple[Function, int]:
        """An expression of the network and its derivatives on cells, and the highest order of these."""
        problem = self.solution.problem
        row = lowered(problem, residual)
        index = {s: slot.channel[0][1] for s, slot in row.slots.items()}
        wanted = sorted(set(index.values()))

        def function(cells: Cells, space: Space) -> tuple[TaylorModel, Tensor]:
            u, steep = self._field.on(wanted, cells, space)
            places = Cells(space, cells.middle, cells.half).coordinates()
            values = dict(zip(problem.variables, places, strict=True)) | {s: u[J] for s, J in index.items()}
            return evaluate(row.expressions[0], values, kinks=True).single(), steep

        return function, self._field.order(wanted)

    def _cover(self, function: Function, order: int, fixed: dict[str, float]) -> Norm:
        """Of a function of cells for which derivatives up to that order are taken, where some coordinates are fixed."""
        fine = self._tried(function, order, fixed, SMALL)[2]
        self.finer |= fine
        floor = (FINEST if fine else FLOOR) * self.scale
        found = covered(self.solution.problem.domain, function, order, fixed, floor, fine=fine)
        self.looked += found.cells
        self.tight &= found.tight
        return found.norm


def spaces(d: int, order: int, fine: bool) -> tuple[Space, Space]:
    """Series of functions of d coordinates, and of their derivatives up to an order."""
    n = FINER[d] if fine else DEGREE
    return Space(d, n, RADIUS, fine), Space(d, n - order, 1.0, fine)


def covered(
    box: Domain, function: Function, order: int, fixed: dict[str, float], floor: float, accuracy: float = cover.TIGHT,
    across: int | None = None, fine: bool = False,
) -> cover.BoxNorm:  # fmt: skip
    """Norms of a function of cells on a box or where some coordinates are fixed; as ``cover.box_norms``.

    ``fine`` takes twice the digits.
    """
    whole, space = spaces(len(box.names), order, fine)
    still = [i for i, n in enumerate(box.names) if n in fixed]

    def model(middle: Tensor, half: Tensor) -> tuple[TaylorModel, Tensor]:
        f, steep = function(Cells(whole, middle, half), space)
        for i in still:
            f = f.at_zero(i)
        return f, steep

    bounds, d = box.bounds.T.tolist(), len(box.names)
    for i in still:  # a side only says how wide a cell is to be across the face
        low, high = bounds[i]
        bounds[i] = [fixed[box.names[i]], fixed[box.names[i]] + (high - low)]
    free = [i for i in range(d) if i not in still]
    along = box.names.index(box.time) if still and box.time and box.time not in fixed else None
    with torch.no_grad():
        return cover.box_norms(model, [tuple(b) for b in bounds], free, floor, MOST, along, across, accuracy)
