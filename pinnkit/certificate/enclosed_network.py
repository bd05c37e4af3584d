"""Misfits of a trained network, enclosed: rigorous upper bounds of their norms by Taylor models."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import sympy as sp
import torch
from torch import Tensor

from pinnkit.condition import Periodic, Residual
from pinnkit.domain import Box
from pinnkit.equation import lower
from pinnkit.linearised import Linearised
from pinnkit.statement import lowered
from pinnkit.superpose.operator import exact

from . import cover, enclosure
from .asked import Asked
from .misfit import Norm
from .network_model import Cells, evaluate, outputs, supported
from .taylor_model import Space, TaylorModel

DEGREE = 10  # of the Taylor polynomials
RADIUS = 1.5  # in which their tails are bounded, so that they can be differentiated
MOST = 20_000  # cells looked at for one norm
FLOOR = 1e-12  # of the size of the solution: below it an enclosure need not be tight
CRITICAL = 1e-6  # a slowest rate of decay that is less than this share of its parts comes of a cancellation


@dataclass(eq=False)
class EnclosedNetwork(Asked):
    """Norms of what a network misses, the equation's residual included, by Taylor models on cells that are split.

    What holds: the function g + d N(x) in exact arithmetic, N having the trained weights (floats are rational numbers)
    and g, d being those of the hard constraints, misses the conditions and the equation by no more than these norms;
    with a theorem its error is no larger than the bound. All rounding on the way is bounded too, provided that sums and
    products are those of IEEE 754 and elementary functions are right to 2^-48 (`interval`). What does not follow: how
    far the numbers that ``solution(X)`` returns are from that function (about 1e-15 of its size in float64, 1e-6 in
    float32), or that the problem describes what it is meant to.

    That a misfit of initial or boundary values vanishes is proved with symbols, in rational arithmetic; else what the
    network does not reach of it is enclosed by intervals, and all the rest as the equation's residual is.
    """

    scale: float
    cells: int = 0
    tight: bool = True

    def __post_init__(self) -> None:
        problem, f = self.solution.problem, self.form
        self._refuse(not isinstance(problem.domain, Box), "its domain is not a box")
        self._refuse(len(problem.variables) > 2, f"of networks in {len(problem.variables)} coordinates, only 1 or 2")
        second = all(sum(J) <= 2 for J in f.slots)
        self._refuse(f.order > 1 or not second, "its equation is not of first order in time and second in space")
        u = f.slots.get(f.index())
        growing = not f.order and u is not None and f.range(f.right.diff(u))[1] > 0
        self._refuse(growing, "its zero-order coefficient is positive")
        if f.order and f.diffusion is not None:
            first = sum(a * (math.pi / L) ** 2 for a, L in zip(f.diffusion, f.sides, strict=True))
            self._refuse(abs(first - f.numbers.get(f.index(), 0.0)) < CRITICAL * first, "it hardly decays")
        why = supported(self._tape)
        self._refuse(why is not None, str(why))

    def _refuse(self, bad: bool, why: str) -> None:
        if bad:
            raise ValueError(f"{self.solution.problem.name} is not enclosed: {why}; certify it with samples")

    @property
    def evaluation(self) -> str:
        """How the norms were found."""
        how = f"enclosed by Taylor models of degree {DEGREE} on {self.cells} cells"
        return how if self.tight else f"{how}, which were too few for tight bounds"

    def residual(self) -> Norm:
        """Of the equation."""
        ((name, e),) = self.solution.problem.equations.items()
        return self._norm(Residual(name, e / self.form.lead, "pde"), (), {})

    def size(self, by: tuple[str, ...] = ()) -> Norm:
        """Of the solution or a derivative."""
        return self._norm(Residual("u", self.solution.problem.fields[0], "pde"), by, {})

    def periodic(self, condition: Periodic) -> None:
        """Raises ValueError: rounded wave numbers are not exactly periodic."""
        raise ValueError(f"{condition.name!r} holds up to rounding only, which is not enclosed: use samples")

    @cached_property
    def _tape(self) -> Any:
        solution = self.solution
        if isinstance(solution.network, Linearised):
            return solution.network.network.build(solution.problem.domain)
        return solution.model.tape

    def _network(self, cells: Cells) -> tuple[TaylorModel, Tensor]:
        theta, network = self.solution.theta.cpu(), self.solution.network
        if isinstance(network, Linearised):
            return outputs(self._tape, network.at.to(theta), theta, cells)
        return outputs(self._tape, theta, None, cells)

    def _exactly(self, e: sp.Expr) -> sp.Expr:
        """An expression in rational numbers: of parameters, and of floats, which are such."""
        parameters = self.solution.problem.parameters
        same = {s: sp.Symbol(s.name, real=True) for s in e.free_symbols if s.name in parameters}
        e = e.xreplace(same).subs(exact(self.solution.problem))
        return e.xreplace({v: sp.Rational(v) for v in e.atoms(sp.Float)})

    @cached_property
    def _ansatz(self) -> tuple[sp.Expr, sp.Expr]:
        """g and d."""
        g, d = self.solution.model.ansatz.get(self.solution.problem.fields[0], (sp.S.Zero, sp.S.One))
        return tuple(self._exactly(sp.sympify(e, strict=True)) for e in (g, d))

    def _made(self, residual: Residual, by: tuple[str, ...], fixed: dict[str, float]) -> Norm:
        problem, box, e = self.solution.problem, self.solution.problem.domain, residual.expression
        for name in by:
            e = sp.diff(e, problem.variables[box.names.index(name)])
        e = self._exactly(e)
        rest = self._without_network(e, fixed) if fixed else None
        stated = Residual(residual.name, e, residual.key)
        norm = self._plain(rest, fixed) if rest is not None else self._covered(stated, fixed)
        if not math.isfinite(norm.sup):
            raise ValueError(f"{problem.name}: {residual.name!r} could not be enclosed: use samples")
        return norm

    def _without_network(self, e: sp.Expr, fixed: dict[str, float]) -> sp.Expr | None:
        """A misfit on a face where the network does not enter it: an expression of the coordinates; else None."""
        problem = self.solution.problem
        g, d = self._ansatz
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
        """Of an expression of at most one coordinate."""
        if e == 0:
            return Norm()
        box = self.solution.problem.domain
        free = [i for i, n in enumerate(box.names) if n not in fixed]
        x = self.solution.problem.variables[free[0]] if free else sp.Dummy(real=True)
        ends = tuple(box.bounds[:, free[0]].tolist()) if free else (0.0, 1.0)
        found = enclosure.norms(e, x, ends, {}, FLOOR * self.scale)
        self.cells += found.cells
        return found.norm

    def _covered(self, residual: Residual, fixed: dict[str, float]) -> Norm:
        """Of an expression of the network and its derivatives."""
        problem, box = self.solution.problem, self.solution.problem.domain
        row = lowered(problem, residual)
        index = {s: slot.channel[0][1] for s, slot in row.slots.items()}
        d, (g, factor) = len(problem.variables), self._ansatz
        order = max((sum(J) for J in index.values()), default=0)
        whole, cell = Space(d, DEGREE, RADIUS), Space(d, DEGREE - order, 1.0)
        still = [i for i, n in enumerate(box.names) if n in fixed]

        def model(middle: Tensor, half: Tensor) -> tuple[TaylorModel, Tensor]:
            N, steep = self._network(Cells(whole, middle, half))
            at: dict[sp.Symbol, TaylorModel] = dict(
                zip(problem.variables, Cells(whole, middle, half).coordinates(), strict=True)
            )
            known: dict[sp.Expr, TaylorModel] = {}
            u = evaluate(g, at, known) + evaluate(factor, at, known) * N[0]
            values = dict(zip(problem.variables, Cells(cell, middle, half).coordinates(), strict=True))
            values |= {s: u.derivative(J, half, cell) for s, J in index.items()}
            f = evaluate(row.expressions[0], values)
            for i in still:
                f = f.at_zero(i)
            return f, steep

        bounds = box.bounds.T.tolist()
        for i in still:  # a side only says how wide a cell is to be across the face
            low, high = bounds[i]
            bounds[i] = [fixed[box.names[i]], fixed[box.names[i]] + (high - low)]
        free = [i for i in range(d) if i not in still]
        along = box.names.index(box.time) if still and box.time not in fixed and box.time else None
        with torch.no_grad():
            found = cover.norms(model, [tuple(b) for b in bounds], free, FLOOR * self.scale, MOST, along)
        self.cells += found.cells
        self.tight &= found.tight
        return found.norm
