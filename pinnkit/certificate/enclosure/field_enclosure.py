"""A trained network with its hard constraints as a Taylor model in many cells, jumps at periodic ends taken off."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import sympy as sp
import torch
from torch import Tensor

from pinnkit.certificate.validated.taylor_model import Space, TaylorModel
from pinnkit.model.solution import Solution
from pinnkit.network.linearised import Linearised
from pinnkit.statement.symbolic.channels import Index
from pinnkit.tools.deadline import turn

from .network_enclosure import Cells, evaluate, outputs
from .periodic_jump import PeriodicJump

Found = dict[Index, TaylorModel]


@dataclass(eq=False)
class FieldEnclosure:
    """The function g + d N of a solution, or that with its ``periodic_jump`` taken off."""

    solution: Solution
    periodic_jump: PeriodicJump | None = None

    @property
    def joint(self) -> PeriodicJump:
        """The periodic jump; ValueError where there is none."""
        if self.periodic_jump is None:
            raise ValueError("no jumps are taken off at periodic ends")
        return self.periodic_jump

    @cached_property
    def tape(self) -> Any:
        """What evaluates the network, of a linearised one the network itself."""
        solution = self.solution
        if isinstance(solution.network, Linearised):
            return solution.network.network.build(solution.problem.domain)
        return solution.model.tape

    @cached_property
    def ansatz(self) -> tuple[sp.Expr, sp.Expr]:
        """g and d, exactly."""
        pair = self.solution.model.ansatz.get(self.solution.problem.fields[0], (sp.S.Zero, sp.S.One))
        g, d = (self.exactly(sp.sympify(e, strict=True)) for e in pair)
        return g, d

    def exactly(self, e: sp.Expr) -> sp.Expr:
        """An expression in rational numbers: of parameters, and of floats, which are such."""
        parameters = self.solution.problem.parameters
        same = {s: sp.Symbol(s.name, real=True) for s in e.free_symbols if s.name in parameters}
        e = e.xreplace(same).subs(self.solution.problem.exact_parameters)
        return e.xreplace({v: sp.Rational(v) for v in e.atoms(sp.Float)})

    def order(self, wanted: Sequence[Index]) -> int:
        """Of the highest derivative that ``on`` takes for these."""
        of_jumps = (
            [self.periodic_jump.orders - 1 + sum(J) - J[self.periodic_jump.axis] for J in wanted]
            if self.periodic_jump
            else []
        )
        return max([*map(sum, wanted), *of_jumps], default=0)

    def on(self, wanted: Sequence[Index], cells: Cells, space: Space) -> tuple[Found, Tensor]:
        """The derivatives D^J of the function on cells, in a space of lower degree, and how steep the network gets."""
        u, steep = self._plain(cells)
        found = {J: u.derivative(J, cells.half, space) for J in wanted}
        if self.periodic_jump is not None and wanted:
            i, here = (
                self.periodic_jump.axis,
                Cells(space, cells.middle, cells.half).coordinates()[self.periodic_jump.axis],
            )
            own = [[J[:i] + (k,) + J[i + 1 :] for k in range(self.periodic_jump.orders)] for J in wanted]
            jumps, also = self.jumps({index for some in own for index in some}, cells, space)
            steep = torch.maximum(steep, also)
            for J, some in zip(wanted, own, strict=True):
                for k, index in enumerate(some):
                    lift = evaluate(self.periodic_jump.lift(k, J[i]), {self.periodic_jump.variable: here})
                    found[J] = found[J] - jumps[index] * lift
        return found, steep

    def jumps(self, wanted: Iterable[Index], cells: Cells, space: Space) -> tuple[Found, Tensor]:
        """The jumps of derivatives between the periodic ends, by multi-index."""
        i = self.joint.axis
        (high, more), (low, steep) = (self._end(v, cells) for v in (self.joint.high, self.joint.low))
        found = {}
        for J in wanted:
            first, second = (u.derivative(J, cells.half, space).at_zero(i) for u in (high, low))
            found[J] = first - second
        return found, torch.maximum(steep, more)

    def _end(self, value: float, cells: Cells) -> tuple[TaylorModel, Tensor]:
        middle = cells.middle.clone()
        middle[self.joint.axis] = value
        return self._plain(Cells(cells.space, middle, cells.half))

    def _plain(self, cells: Cells) -> tuple[TaylorModel, Tensor]:
        turn()
        theta, network = self.solution.theta.cpu(), self.solution.network
        at_first, tangent = (network.at.to(theta), theta) if isinstance(network, Linearised) else (theta, None)
        N, steep = outputs(self.tape, at_first, tangent, cells)
        at = dict(zip(self.solution.problem.variables, cells.coordinates(), strict=True))
        known: dict[sp.Expr, TaylorModel] = {}
        g, d = (evaluate(e, at, known) for e in self.ansatz)
        return g + d * N[0], steep
