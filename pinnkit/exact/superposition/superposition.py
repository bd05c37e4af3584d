"""A superposition of exact solutions as a network that is linear in its parameters, the amplitudes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy as sp
import torch
from torch import Tensor
from typing_extensions import override

from pinnkit.certificate.theorem.closed_form import ClosedForm
from pinnkit.domain.box import Domain
from pinnkit.exact.lie.heat_normal_form import NormalForm
from pinnkit.model.solution import Solution
from pinnkit.network.base import Evaluator, Pass, Pool
from pinnkit.statement.singular.regularity import BENDS, STEPS
from pinnkit.statement.symbolic.channels import Channels
from pinnkit.tools import sympy_tree as tree
from pinnkit.tools.followed import written_down
from pinnkit.tools.serialise import register

from .family import Family, Range


@dataclass(frozen=True)
class Superposition(ClosedForm):
    """sum_k a_k phi_k(x): members (family number, parameters), their amplitudes being the vector theta (K,).

    All families have the same fields, and a member of a system has one amplitude for all of them.
    """

    families: tuple[Family, ...]
    members: tuple[tuple[int, tuple[float, ...]], ...]

    def build(self, domain: Domain) -> "SuperpositionTape":
        """The evaluator on that domain; ValueError where its coordinates are others."""
        names = tuple(s.name for s in self.families[0].coordinates)
        if names != domain.names:
            raise ValueError(f"the superposition depends on ({', '.join(names)}), the domain on {domain.names}")
        return SuperpositionTape(self)

    def initial(self, domain: Domain, seed: int, dtype: torch.dtype = torch.float64) -> Tensor:
        """Amplitudes 0, shape (K,)."""
        del domain, seed
        return torch.zeros(len(self.members), dtype=dtype)

    @property
    def fields(self) -> int:
        """The number of fields."""
        return len(self.families[0].parts)

    def expression(self, amplitudes: Sequence[float]) -> sp.Expr | tuple[sp.Expr, ...]:
        """The closed form with these amplitudes, in SymPy; of a system one for every field."""
        pairs = [(sp.Float(float(a), 17), f, theta) for a, (f, theta) in zip(amplitudes, self.members, strict=True)]
        found = tuple(
            sp.Add(*(a * self.families[f].at(theta, field) for a, f, theta in pairs)) for field in range(self.fields)
        )
        return found if len(found) > 1 else found[0]

    def groups(self) -> list[tuple[Family, np.ndarray, np.ndarray]]:
        """Every family with its members' numbers (K_f,) and parameters (K_f, p)."""
        found = []
        for f, family in enumerate(self.families):
            numbers = np.array([k for k, (g, _) in enumerate(self.members) if g == f], int)
            if len(numbers):
                theta = np.array([self.members[k][1] for k in numbers]).reshape(len(numbers), family.count)
                found.append((family, numbers, theta))
        return found

    def fronts(self, theta: Tensor) -> sp.Expr:
        """The members that are not smooth, with their amplitudes theta (K,)."""
        a, found = theta.tolist(), []
        for family, numbers, own in self.groups():
            if family.parts[0].has(*STEPS, *BENDS):
                found += [a[n] * family.at(row) for n, row in zip(numbers, own, strict=True) if a[n]]
        return sp.Add(*found)

    def scale(self, solution: Solution, X: Tensor) -> Tensor:
        """The sum of |a_k phi_k| at points X (n, d), shape (n,): members may cancel."""
        tape = solution.model.tape
        assert isinstance(tape, SuperpositionTape)
        basis = tape.basis(X.to(solution.theta), Channels.closed(X.shape[1], []))
        return basis[0].abs().T @ solution.theta.abs()

    def __str__(self) -> str:
        counts: dict[str, int] = {}
        for f, _ in self.members:
            name = self.families[f].name.partition(" of order")[0]
            counts[name] = counts.get(name, 0) + 1
        return "superposition of " + ", ".join(f"{n} {name}" for name, n in counts.items())

    def to_json(self) -> dict:
        """All of it as lists, text and numbers."""
        families = [
            {
                "name": f.name,
                "expression": tree.encode(f.expression) if len(f.parts) == 1 else [tree.encode(e) for e in f.parts],
                "coordinates": [tree.encode(s) for s in f.coordinates],
                "ranges": [[r.name, r.lower, r.upper, r.log] for r in f.ranges],
                "images": f.images,
                "axis": f.axis,
            }
            | ({} if f.form is None else {"form": _encoded(f.form)})
            for f in self.families
        ]
        return {"families": families, "members": self.members}


def superposition(families: Sequence[Mapping[str, Any]], members: Sequence[Any]) -> Superposition:
    """The superposition that ``to_json`` was asked for; ValueError for lists that it did not make."""
    found = [
        Family(
            f["name"],
            _expression(f["expression"]),
            tuple(tree.decode(s) for s in f["coordinates"]),
            tuple(Range(*r) for r in f["ranges"]),
            tuple(tuple(image) for image in f["images"]),
            f["axis"],
            _decoded(f["form"]) if "form" in f else None,
        )
        for f in families
    ]
    return Superposition(tuple(found), tuple((f, tuple(theta)) for f, theta in members))


def _expression(given: list) -> sp.Expr | tuple[sp.Expr, ...]:
    return tree.decode(given) if isinstance(given[0], str) else tuple(map(tree.decode, given))


def _encoded(form: NormalForm) -> list[list]:
    return [tree.encode(e) for e in (*form.coordinates, form.space, form.time, form.gauge)]


def _decoded(given: list[list]) -> NormalForm:
    x, t, *maps = map(tree.decode, given)
    return NormalForm((x, t), *maps)


class SuperpositionTape(Evaluator):
    """The evaluator of a superposition: ``count`` amplitudes."""

    def __init__(self, spec: Superposition) -> None:
        self._groups, self._fields = spec.groups(), spec.fields
        self.count: int = len(spec.members)

    @property
    def width(self) -> int:
        """The numbers that a point makes in one channel."""
        return self.count

    def run(self, theta: Tensor, X: Tensor, channels: Channels, pool: Pool | None = None) -> "LinearPass":
        """Evaluate the channels at points X (B, d); the pool is for passes that manage their memory."""
        del pool
        X = X.to(theta)
        return LinearPass(torch.stack([self.basis(X, channels, field) for field in range(self._fields)], -1), theta)

    @override
    def followed(
        self, theta: Tensor, X: Tensor, channels: Channels, v: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        closed_form_instead()  # a sweep is torch operations alone
        return self.sweep(theta, X, channels, v)

    def basis(self, X: Tensor, channels: Channels, field: int = 0) -> Tensor:
        """The channels of a field of every member, shape (C, K, B)."""
        out = X.new_empty(len(channels), self.count, X.shape[0])
        indices = sorted({J for channel in channels.items for _, J in channel})
        for family, numbers, theta in self._groups:
            jets = dict(zip(indices, family.values(theta, X, indices, field), strict=True))
            for c, channel in enumerate(channels.items):
                out[c, numbers] = sum(weight * jets[J] for weight, J in channel)
        return out


def closed_form_instead() -> None:
    """Refuse traces and exports.

    Raises:
        TypeError: one of them is being made.
    """
    if written_down():
        raise TypeError(
            "a superposition of exact solutions cannot be traced or exported: take its closed form, "
            "solution.network.expression(solution.theta.tolist())"
        )


class LinearPass(Pass):
    """One evaluation of a model that is linear in theta."""

    def __init__(self, basis: Tensor, theta: Tensor) -> None:
        self._basis = basis
        self.output: Tensor = self.tangent(theta)

    def tangent(self, v: Tensor) -> Tensor:
        """The derivative of the output along v (K,), shape (C, B, fields)."""
        return torch.einsum("ckbn,k->cbn", self._basis, v)

    def reverse(self, G: Tensor) -> Tensor:
        """The gradient of sum(G * output) by theta, shape (K,)."""
        return torch.einsum("ckbn,cbn->k", self._basis, G)

    def rows(self, G: Tensor, out: Tensor) -> None:
        """Add every point's own gradient to the rows of out (B, K)."""
        out += torch.einsum("ckbn,cbn->bk", self._basis, G)

    def second(self, v: Tensor, G: Tensor, dG: Tensor) -> Tensor:
        """The derivative of ``reverse(G)`` while G moves by dG, shape (K,); theta does not bend the output."""
        del v, G
        return self.reverse(dG)


register(Superposition, superposition)
