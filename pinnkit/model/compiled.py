"""A problem joined with a network: the ansatz, the layout of the parameters and the compiled residuals."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import sympy as sp
import torch
from torch import Tensor

from pinnkit.network.base import Evaluator, Network, evaluator, periodic
from pinnkit.network.kinked import with_kinks
from pinnkit.network.power import with_powers
from pinnkit.statement.ansatz.hard_constraints import Constraints, hard_constraints
from pinnkit.statement.problem import Problem
from pinnkit.statement.residual_program import ResidualProgram, compiled
from pinnkit.statement.symbolic.lowering import Ansatz
from pinnkit.statement.symbolic.residual import Residual
from pinnkit.statement.units import Units
from pinnkit.tools.checked import Vector, Whole, checked
from pinnkit.tools.pickled import Pickled
from pinnkit.tools.renamed import renamed
from pinnkit.tools.type_words import nearest


@renamed(readouts="programs", readout="program")
@checked
@dataclass(frozen=True, eq=False)
class Compiled(Pickled):
    """What a `Model` is without its rows: a stack of rows is made of it."""

    problem: Problem
    network: Network | None
    hard: bool | None = None
    satisfied: frozenset[str] = frozenset()
    units: Units | None = None

    @cached_property
    def _constraints(self) -> Constraints:
        if self.hard is False:
            return Constraints({})
        names, kinks = self.problem.domain.names, self.problem.interface_problem.kinks
        kinked = {names[i] for kink in kinks if kink.needed for i in kink.plane.support}  # its feature is not periodic
        held = tuple(name for name in periodic(self.network) if name not in kinked)
        return hard_constraints(self.problem, held, strict=bool(self.hard))

    @property
    def ansatz(self) -> Ansatz:
        """g and d of u = g + d N for every field that has one."""
        return self._ansatz

    @cached_property
    def _ansatz(self) -> Ansatz:
        stated = self._constraints.ansatz
        return stated if self.units is None else self.units.scaled(self.problem, stated)

    @cached_property
    def weights(self) -> dict[str, float]:
        """The weight w_k of every term: as the conditions state it, over the square of the row's size."""
        given = {r.name: self.problem.weights.get(r.name, 1.0) for r in self.problem.residuals}
        return given if self.units is None else self.units.weights(given)

    @property
    def exact_terms(self) -> frozenset[str]:
        """The conditions that hold by construction."""
        return self._constraints.exact | self.satisfied

    @property
    def notes(self) -> tuple[str, ...]:
        """What of the conditions could not be made to hold by construction, and why; the units."""
        own = () if self.units is None else (str(self.units),)
        return (*self._constraints.notes, *own)

    @cached_property
    def tape(self) -> Evaluator:
        """The network's evaluator on the problem's domain."""
        return evaluator(self._bent, self.problem.domain)

    @cached_property
    def _bent(self) -> Network:
        """The network with a feature for every plane on which the solution has a kink or a jump."""
        names = periodic(self.network)
        held = {i for i, name in enumerate(self.problem.domain.names) if name in names}
        kinks = self.problem.interface_problem.kinks
        assert self.network is not None  # it is only left out where nothing is evaluated
        network = with_powers(self.network, self.problem.memories)
        return with_kinks(network, [k for k in kinks if k.needed or not held & set(k.plane.support)])

    @property
    def count(self) -> int:
        """P, the number of trained numbers."""
        return self.tape.count + len(self.problem.unknowns)

    def initial(self, seed: Whole, dtype: torch.dtype = torch.float64) -> Tensor:
        """The first parameters.

        Args:
            seed: seed of the draw.
            dtype: precision. Default float64.

        Returns:
            A tensor (P,).
        """
        theta = self._bent.initial(self.problem.domain, seed, dtype)
        unknowns = torch.tensor(list(self.problem.unknowns.values()), dtype=torch.float64)
        return torch.cat([theta, (unknowns / self.coefficient_scales).to(dtype)])

    @property
    def coefficient_scales(self) -> Tensor:
        """What the trained numbers of the unknown coefficients are multiplied with, shape (unknowns,)."""
        scales = {} if self.units is None else self.units.unknowns
        return torch.tensor([scales.get(name, 1.0) for name in self.problem.unknowns], dtype=torch.float64)

    def coefficients(self, theta: Vector) -> Tensor:
        """The values of the unknown coefficients.

        Args:
            theta: parameters (P,).

        Returns:
            A tensor (unknowns,).
        """
        unknowns = self.split(theta)[1]
        return unknowns * self.coefficient_scales.to(unknowns)

    def split(self, theta: Vector) -> tuple[Tensor, Tensor]:
        """The parameters of the network and those of the unknown coefficients, as views.

        Args:
            theta: parameters (P,).

        Returns:
            Two tensors, together (P,).

        Raises:
            ValueError: another shape than (P,).
        """
        if theta.ndim != 1 or len(theta) != self.count:
            raise ValueError(f"got {tuple(theta.shape)} numbers: the parameters of this model are {self.count}, (P,)")
        return theta[: self.tape.count], theta[self.tape.count :]

    @property
    def keys(self) -> tuple[str, ...]:
        """The point sets that are trained on: those with a condition that does not hold by construction."""
        return tuple(self.programs)

    @cached_property
    def programs(self) -> dict[str, ResidualProgram]:
        """The compiled residuals of every point set."""
        groups: dict[str, list] = {}
        for residual in self.problem.residuals:
            if residual.name not in self.exact_terms:
                groups.setdefault(residual.key, []).append(residual)
        return {key: self.program(group) for key, group in groups.items()}

    def program(self, residuals: Sequence[Residual]) -> ResidualProgram:
        """Compile residuals with the fields of this model and the parameters of the problem.

        Args:
            residuals: the residuals.

        Returns:
            A function of the derivatives of the network.
        """
        p = self.problem
        unknowns = [sp.Symbol(name) for name in p.unknowns]
        symbols = set().union(*(r.expression.free_symbols for r in residuals))
        symbols = symbols.union(*(e.free_symbols for pair in self.ansatz.values() for e in map(sp.sympify, pair)))
        values = {s: sp.Float(p.parameters[s.name], 17) for s in symbols if s.name in p.parameters}
        unknowns = [next((s for s in symbols if s.name == u.name), u) for u in unknowns]
        ansatz, scales = self.ansatz, {} if self.units is None else self.units.unknowns
        scaled = {s: sp.Float(scales[s.name], 17) * s for s in unknowns if scales.get(s.name, 1.0) != 1}
        if scaled:
            residuals = [replace(r, expression=r.expression.xreplace(scaled)) for r in residuals]
            ansatz = {u: tuple(sp.sympify(e).xreplace(scaled) for e in pair) for u, pair in ansatz.items()}
        return compiled(residuals, p.fields, ansatz, values, unknowns)

    def program_of(self, key: str) -> ResidualProgram:
        """The compiled residuals of one point set.

        Args:
            key: name of the point set, as "pde".

        Returns:
            A function of the derivatives of the network.

        Raises:
            ValueError: a point set that no term is trained on.
        """
        if key not in self.programs:
            raise ValueError(f"no term is trained on points {key!r}{nearest(key, self.programs)}")
        return self.programs[key]
