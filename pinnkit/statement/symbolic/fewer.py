"""Fields of fewer coordinates: k(x) beside u(x, t) is a k(x, t) that is looked at in one place of time alone."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import sympy as sp
import torch

from pinnkit.domain.box import Box, Domain
from pinnkit.tools.sympy_types import AppliedUndef

from .boundary_conditions import Operator
from .conditions import Condition
from .elsewhere import uses
from .observations import Observations
from .reference import Exact


class Fewer:
    """The fields with all coordinates that stand for those with fewer, and the places where they are looked at."""

    variables: tuple[sp.Symbol, ...]
    lifted: dict[AppliedUndef, AppliedUndef]
    at: dict[AppliedUndef, AppliedUndef]

    def __init__(self, fields: Sequence[AppliedUndef], domain: Domain) -> None:
        whole = next((u.args for u in fields if tuple(s.name for s in u.args) == domain.names), None)
        self.variables = () if whole is None else whole
        few = [u for u in fields if set(u.args) < set(self.variables)]
        self.lifted = {u: u.func(*self.variables) for u in few}
        self.at = {u: u.func(*(v if v in u.args else _place(domain, v) for v in self.variables)) for u in few}

    def expression(self, e: Any) -> Any:
        """An expression with each such field at its place."""
        if not isinstance(e, sp.Basic):
            return e
        for u, at in self.at.items():

            def fill(*args: sp.Expr, u: AppliedUndef = u, at: AppliedUndef = at) -> sp.Expr:
                if len(args) != len(u.args):
                    return u.func(*args)
                given = dict(zip(u.args, args, strict=True))
                return u.func(*(a.xreplace(given) for a in at.args))

            e = e.replace(u.func, fill)
        return e

    def condition(self, c: Condition) -> Condition:
        """A condition with the fields at their places.

        Raises:
            ValueError: one on such a field that is neither an operator nor measurements.
        """
        if isinstance(c, Operator):
            return replace(c, expression=self.expression(c.expression))
        if isinstance(c, Observations):
            (own,) = [u for u in self.at if c.u.has(u.func)] or [None]
            if own is None or c.X.shape[1] == len(self.variables):
                return replace(c, u=self.expression(c.u))
            places = [c.X[:, own.args.index(v)] if v in own.args else torch.full_like(c.X[:, 0], float(a))
                      for v, a in zip(self.variables, self.at[own].args, strict=True)]  # fmt: skip
            return Observations(self.expression(c.u), torch.stack(places, 1), c.values, c.name, c.weight)
        if c.u in self.at:
            raise ValueError(
                f"{c.name}: {c.u} has fewer coordinates than the problem: state what is known of it as an Operator, as "
                f'in Operator("known", {c.u} - 1, "{c.u.args[0]}_min"), or as Observations'
            )
        return c

    def reference(self, given: Any, parameters: Mapping[str, float]) -> Any:
        """A closed form by field, with the fields of all coordinates."""
        held = given.solution if isinstance(given, Exact) else given
        if not isinstance(held, Mapping):
            return given
        found = {self.lifted.get(u, u): e for u, e in held.items()}
        return replace(given, solution=found) if isinstance(given, Exact) else Exact(found, parameters)


def _place(domain: Domain, v: sp.Symbol) -> sp.Expr:
    """Where a coordinate is held: at the beginning of time, in the middle of space."""
    if v.name != domain.time and not isinstance(domain, Box):
        raise ValueError(f"a field without the coordinate {v} needs a pinnkit.Box, and the domain is {domain!r}")
    low, high = domain.bounds[:, domain.names.index(v.name)].tolist()
    return sp.Float(low if v.name == domain.time else (low + high) / 2, 17)


def held_at(u: AppliedUndef, expressions: Sequence[sp.Expr], fields: Sequence[AppliedUndef]) -> AppliedUndef | None:
    """The field where it is looked at, if that is at one value of some coordinates in all expressions; else None."""
    k = list(fields).index(u)
    places = {place for e in expressions for n, place, _ in uses(e, fields).values() if n == k}
    if not places:
        return None
    fixed = {}
    for i, v in enumerate(u.args):
        values = {place[i] for place in places}
        if len(values) == 1 and (value := values.pop()).is_Float:
            fixed[v] = value
    return u.xreplace(fixed) if fixed else None
