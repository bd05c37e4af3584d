"""An equation's delta functions: the planes that they live on, and their weights there."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import sympy as sp
import torch
from torch import Tensor

from pinnkit.statement.symbolic.conservation import Divergence
from pinnkit.statement.symbolic.lowering import Slot, lower
from pinnkit.statement.symbolic.record import Record
from pinnkit.statement.symbolic.torch_program import Opaque, Program
from pinnkit.tools.sympy_types import AppliedUndef

from .kink import Plane
from .regularity import BENDS, STEPS
from .zero_set import NotPlanar, planes_of


class PointMassEquation:
    """One equation = 0 of a problem: ``body`` without delta functions, and their ``weights`` by plane.

    ``interior`` is the equation as it holds off those planes. In ``body`` and the weights derivatives of fields are
    named by symbols (``slots`` says which), and so are divergences (``nodes``).

    Raises:
        ValueError: a delta function that no plane carries, or that is not alone in its term.
    """

    problem: Record
    name: str
    where: str
    interior: Any
    body: Any
    singular: Any

    def __init__(self, problem: Record, name: str, e: sp.Expr) -> None:
        self.problem, self.name, self.where = problem, name, f"{problem.name}, {name!r}"
        self.interior, self.body, self.singular = e, e, e.has(Divergence, sp.DiracDelta, *STEPS, *BENDS, Opaque)
        self.nodes: dict[sp.Symbol, Divergence] = {}
        self.slots: Mapping[sp.Symbol, Slot] = {}
        self.weights: dict[Plane, sp.Expr] = {}
        if not self.singular:
            return
        space = [v for v in problem.variables if v.name != problem.domain.time]
        for k, node in enumerate(sorted(e.atoms(Divergence), key=str)):
            self._check_node(node, space)
            self.nodes[sp.Symbol(f"_div{k}", real=True)] = node
        held = e.xreplace({node: s for s, node in self.nodes.items()}).doit()
        if self.nodes or held.has(sp.DiracDelta):
            whole = held.xreplace({s: node.doit() for s, node in self.nodes.items()})
            self.interior = whole.replace(sp.DiracDelta, lambda *_: sp.S.Zero)
        try:
            row = lower([held], problem.fields, problem.variables)
        except ValueError as error:
            raise ValueError(f"{self.where}: {error}") from None
        self.slots = row.slots
        self.body = self._without(row.expressions[0])

    def _check_node(self, node: Divergence, space: Sequence[sp.Symbol]) -> None:
        if not set(node.coordinates) <= set(space):
            raise ValueError(
                f"{self.where}: {node} is taken over {', '.join(map(str, node.coordinates))}: name the space "
                f"coordinates, as in pk.divergence(k, u, {', '.join(map(str, space))})"
            )
        if any(part.has(Divergence, sp.DiracDelta) for part in node.args):
            raise ValueError(f"{self.where}: {node} holds another divergence or a DiracDelta: {MIXED}")

    def _without(self, e: sp.Expr) -> sp.Expr:
        """The expression without delta functions, their weights noted."""
        atoms = sorted(e.atoms(sp.DiracDelta), key=str)
        stand = {atom: sp.Dummy("delta", real=True) for atom in atoms}
        held, marks = e.xreplace(stand), set(stand.values())
        for atom in atoms:
            weight = held.diff(stand[atom])
            weight = sp.expand(held).diff(stand[atom]) if weight.free_symbols & marks else weight
            if weight.free_symbols & marks:
                raise ValueError(
                    f"{self.where}: {atom} is multiplied by another delta function or stands in a nonlinear term, "
                    f"which has no solution here: {GAUSSIAN}"
                )
            for plane, slope in self._planes(atom):
                self.weights[plane] = self.weights.get(plane, sp.S.Zero) + weight / slope
        self.weights = {plane: w for plane, w in self.weights.items() if sp.expand(w) != 0}
        return held.xreplace(dict.fromkeys(marks, sp.S.Zero))

    def _planes(self, atom: sp.DiracDelta) -> Iterator[tuple[Plane, sp.Float]]:
        """The planes inside the domain where a delta function's argument vanishes, and its slopes there."""
        if len(atom.args) > 1 and atom.args[1] != 0:
            raise ValueError(
                f"{self.where}: {atom} is the derivative of a point mass (a dipole, or twice the derivative of a "
                f"jump): {MIXED}, or {GAUSSIAN}"
            )
        found: list[tuple[Plane | None, float]]
        try:
            found = [*planes_of(self.place(atom.args[0], atom), self.problem.variables, self.problem.domain)]
        except NotPlanar:
            found = [(None, 1.0)]
        for plane, slope in found:
            if plane is None or slope != slope:
                raise ValueError(
                    f"{self.where}: {atom} does not live on single planes of the coordinates, where alone it can be "
                    f"solved: {GAUSSIAN}, or state one problem for each side"
                )
            side = plane.side(self.problem.domain)
            if side == 0:
                raise ValueError(
                    f"{self.where}: {atom} lies on the domain's boundary: state it there as a Neumann or Robin "
                    "condition (at the initial time, in the initial value), or enlarge the domain"
                )
            if side > 0:
                yield plane, sp.Float(slope, 17)

    def place(self, g: sp.Expr, what: sp.Basic) -> sp.Expr:
        """A formula that says where something is, with the parameters' values.

        Raises:
            ValueError: it depends on a field or on an unknown coefficient.
        """
        p = self.problem
        by = sorted(s.name for s in g.free_symbols - set(p.variables) if s.name not in p.parameters)
        by = by or sorted(map(str, g.atoms(AppliedUndef)))
        if by:
            kind = f"the unknown {by[0]}" if by[0] in p.unknowns else "a field"
            raise ValueError(
                f"{self.where}: the place of {what} depends on {kind}, and only places that are known can be solved: "
                "write a smooth step instead, as (1 + tanh(g/w))/2"
            )
        return g.subs({s: sp.Float(p.parameters[s.name], 17) for s in g.free_symbols if s.name in p.parameters})

    def values(self, expressions: Sequence[sp.Expr], X: Tensor) -> list[Tensor]:
        """Expressions at points X (n, d), each (n,); fields and their derivatives are fixed random numbers there."""
        p = self.problem
        given: dict[sp.Symbol, Tensor] = dict(zip(p.variables, X.unbind(1), strict=True))
        numbers, generator = p.parameters | p.unknowns, torch.Generator().manual_seed(3)
        fields = {u: sp.Symbol(f"<{u}>", real=True) for e in expressions for u in e.atoms(AppliedUndef, sp.Derivative)}
        rows = [e.xreplace(fields) for e in expressions]
        for s in sorted(set().union(*(e.free_symbols for e in rows)) - set(given), key=str):
            trial = 0.1 + torch.rand(len(X), generator=generator, dtype=X.dtype)
            given[s] = torch.full_like(X[:, 0], numbers[s.name]) if s.name in numbers else trial
        found = Program(rows, list(given))(given)
        return [v if isinstance(v, Tensor) else torch.full_like(X[:, 0], v) for v in found]


MIXED = "state it in mixed form, with another field for the flux or the moment"
GAUSSIAN = "write a narrow Gaussian, as exp(-s^2/(2 w^2))/(w sqrt(2 pi)) for DiracDelta(s)"
