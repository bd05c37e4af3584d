"""Residuals compiled for one set of points: their values, slopes and curvature in the network's channels."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any
from weakref import WeakKeyDictionary

import sympy as sp
import torch
from torch import Tensor

from pinnkit.domain.point_set import PointSet
from pinnkit.statement.elsewhere_program import ElsewhereProgram, ElsewhereSlopes
from pinnkit.statement.symbolic.channels import Channels
from pinnkit.statement.symbolic.elsewhere import is_own
from pinnkit.statement.symbolic.lowering import (
    Affine,
    Ansatz,
    Lowered,
    Slot,
    at_image,
    collapse,
    image_coordinate,
    insert,
    lower,
)
from pinnkit.statement.symbolic.place import INTERIOR
from pinnkit.statement.symbolic.residual import Residual
from pinnkit.statement.symbolic.torch_program import Program, Value
from pinnkit.tools.sympy_types import AppliedUndef

Entry = tuple[int, int, int, int, Value]  # row, channel, image, output, value (B,) of dr/dN


class ResidualProgram:
    """R expressions of fields u = g + d N as functions of the channels of N at points (and at their images).

    ``unknowns`` are symbols of trained coefficients. Shapes: channels (C, K B, n), rows (R, B).
    """

    names: tuple[str, ...]
    variables: tuple[Any, ...]
    unknowns: tuple[Any, ...]
    slots: dict[Any, Slot]
    images: int
    elsewhere: dict[sp.Symbol, ElsewhereProgram]
    channels: Channels

    def __init__(
        self,
        residuals: Sequence[Residual],
        fields: Sequence[AppliedUndef],
        ansatz: Ansatz,
        parameters: Mapping[sp.Symbol, sp.Expr],
        unknowns: Sequence[sp.Symbol] = (),
    ) -> None:
        self.names = tuple(r.name for r in residuals)
        self.variables, self.unknowns = fields[0].args, tuple(unknowns)
        stated = _lower(residuals, fields, self.variables)
        lowered = collapse(Lowered(tuple(e.subs(parameters) for e in stated.expressions), stated.slots))
        ansatz = {u: tuple(sp.sympify(e, strict=True) for e in pair) for u, pair in ansatz.items()}
        affine, self.slots = insert(lowered, fields, self.variables, ansatz)
        self.images = 1 + max((s.image for s in lowered.slots.values()), default=0)
        self.elsewhere = {
            symbol: _elsewhere(slot.elsewhere, fields, ansatz, parameters, self.unknowns)
            for symbol, slot in lowered.slots.items() if slot.elsewhere is not None
        }  # fmt: skip
        wanted = {s.channel for s in self.slots.values()}
        wanted = wanted.union(*(e.inner.channels.items for e in self.elsewhere.values()))
        self.channels = Channels.closed(len(self.variables), wanted)
        for e in self.elsewhere.values():
            e.place(self.channels)
        self._rows = list(lowered.expressions)
        known = {
            u: Affine(a.constant.subs(parameters), {N: c.subs(parameters) for N, c in a.coefficients.items()})
            for u, a in affine.items()
        }
        self._affine, self._parts = _named({u: _with_unknowns(a, self.unknowns) for u, a in known.items()})
        self._kept: WeakKeyDictionary[PointSet, dict[Program, Callable]] = WeakKeyDictionary()
        self._place = {N: (self.channels.position(s.channel), s.image, s.output) for N, s in self.slots.items()}

    def at(self, points: PointSet) -> Tensor:
        """All points that the rows look at, shape (N, d): their own, their images, then the nodes of integrals."""
        if self.images == 1 and not self.elsewhere:
            return points.X
        images = [] if self.images == 1 or points.image is None else [points.image]
        return torch.cat([points.X, *images, *(e.layout(points).places for e in self.elsewhere.values())])

    def size(self, B: int) -> int:
        """N, how many points the rows of B points look at."""
        return self.images * B + sum(e.size(B) for e in self.elsewhere.values())

    def blocks(self, B: int) -> dict[sp.Symbol, slice]:
        """Where the nodes of every integral stand among those."""
        found, start = {}, self.images * B
        for s, e in self.elsewhere.items():
            found[s] = slice(start, start + e.size(B))
            start += e.size(B)
        return found

    def by_point(self, rows: Tensor, B: int) -> Tensor:
        """Rows (N, P) of all that B points look at, summed over what each of them looks at alone, shape (B, P)."""
        total = rows[: self.images * B].view(self.images, B, -1).sum(0)
        for s, block in self.blocks(B).items():
            if self.elsewhere[s].moving:
                total += rows[block].view(B, -1, rows.shape[1]).sum(1)
        return total

    @cached_property
    def columns(self) -> tuple[sp.Symbol, ...]:
        """Symbols whose values come with the points: normals and measured data."""
        known = {*self.slots, *self._affine, *self.unknowns, *self.elsewhere}
        known |= {image_coordinate(v, k) for v in self.variables for k in range(self.images)}
        found = set().union(*(e.free_symbols for e in self._rows))
        return tuple(sorted(found - known, key=str))

    @cached_property
    def _inputs(self) -> tuple[sp.Symbol, ...]:
        coordinates = [image_coordinate(v, k) for k in range(self.images) for v in self.variables]
        return (*coordinates, *self.columns, *self.slots, *self.elsewhere, *self.unknowns)

    @cached_property
    def _definitions(self) -> list[tuple[sp.Symbol, sp.Expr]]:
        fields = [(u, a.constant + sum(c * N for N, c in a.coefficients.items())) for u, a in self._affine.items()]
        return [*self._parts.items(), *fields]

    @cached_property
    def _values(self) -> Program:
        return Program(self._rows, self._inputs, self._definitions)

    @cached_property
    def _first(self) -> tuple[Program, list[tuple[int, sp.Symbol]]]:
        places, slopes = [], []
        for r, row in enumerate(self._rows):
            total: dict[sp.Symbol, sp.Expr] = {s: row.diff(s) for s in (*self.unknowns, *self.elsewhere)}
            for u, a in self._affine.items():
                slope = row.diff(u)
                for N, c in a.coefficients.items() if slope != 0 else ():
                    total[N] = total.get(N, sp.S.Zero) + slope * c
            places += [(r, s) for s, e in total.items() if e != 0]
            slopes += [e for e in total.values() if e != 0]
        return Program([*self._rows, *slopes], self._inputs, self._definitions), places

    @cached_property
    def _second(self) -> tuple[Program, list[tuple[int, sp.Symbol, sp.Symbol]]]:
        """All d2r/dsdt, s and t network channels or unknown coefficients."""
        places, slopes = [], []
        lift = {u: a.coefficients for u, a in self._affine.items()}
        lift |= {s: {s: sp.S.One} for s in (*self.unknowns, *self.elsewhere)}
        for r, row in enumerate(self._rows):
            total: dict[tuple[sp.Symbol, sp.Symbol], sp.Expr] = {}
            for u, first in lift.items():
                slope = row.diff(u)
                for w, second in lift.items() if slope != 0 else ():
                    curve = slope.diff(w)
                    if curve == 0:
                        continue
                    for N, c in first.items():
                        for M, e in second.items():
                            total[N, M] = total.get((N, M), sp.S.Zero) + curve * c * e
            places += [(r, N, M) for N, M in total]
            slopes += list(total.values())
        return Program(slopes, self._inputs, self._definitions), places

    @cached_property
    def linear(self) -> bool:
        """Whether all rows are affine in the fields, whatever the unknown coefficients are."""
        own = set(self._affine)
        return not any(row.diff(s).free_symbols & own for row in self._rows for s in own & row.free_symbols)

    def keep(self, points: PointSet) -> None:
        """Evaluate what depends on these points alone (g, d, data) only once from now on, as long as they exist."""
        if not points.X.requires_grad:  # else a second backward pass would find the graph of the first
            self._kept.setdefault(points, {})

    def _run(self, program: Program, moving: dict[sp.Symbol, Tensor], points: PointSet) -> list[Value]:
        """The program's results, with what is kept for the points."""
        kept = self._kept.get(points)
        if kept is None:
            return program(self._given(points) | moving)
        if program not in kept:
            kept[program] = program.partial(self._given(points))
        return kept[program](moving)

    def _given(self, points: PointSet) -> dict[sp.Symbol, Value]:
        """What comes with the points: coordinates, normals, data."""
        values: dict[sp.Symbol, Value] = {}
        for k in range(self.images):
            X = points.X if k == 0 or points.image is None else points.image
            values |= {image_coordinate(v, k): X[:, i] for i, v in enumerate(self.variables)}
        return values | {s: points.columns[s.name] for s in self.columns}

    def _channels(self, output: Tensor, B: int, unknowns: Tensor) -> dict[sp.Symbol, Tensor]:
        """What is trained: the network's channels, and unknown coefficients."""
        values = {N: output[c, k * B : (k + 1) * B, n] for N, (c, k, n) in self._place.items()}
        return values | {s: unknowns[i] for i, s in enumerate(self.unknowns)}

    def _slopes_elsewhere(self, output: Tensor, points: PointSet, unknowns: Tensor) -> dict[sp.Symbol, ElsewhereSlopes]:
        blocks = self.blocks(len(points)) if self.elsewhere else {}
        return {s: e.slopes(output, blocks[s], points, unknowns) for s, e in self.elsewhere.items()}

    def values(self, output: Tensor, points: PointSet, unknowns: Tensor) -> Tensor:
        """r, shape (R, B)."""
        moving = self._channels(output, len(points), unknowns)
        if self.elsewhere:
            blocks = self.blocks(len(points))
            moving |= {s: e.values(output, blocks[s], points, unknowns) for s, e in self.elsewhere.items()}
        return _stack(self._run(self._values, moving, points), points.X)

    def slopes(self, output: Tensor, points: PointSet, unknowns: Tensor) -> tuple[Tensor, "ResidualSlopes"]:
        """r, shape (R, B), and dr by every channel and unknown coefficient that it depends on."""
        program, places = self._first
        elsewhere = self._slopes_elsewhere(output, points, unknowns)
        moving = self._channels(output, len(points), unknowns) | {s: e.value for s, e in elsewhere.items()}
        out = self._run(program, moving, points)
        R = len(self._rows)
        entries = [(r, s, v) for (r, s), v in zip(places, out[R:], strict=True)]
        return _stack(out[:R], points.X), ResidualSlopes(self, entries, elsewhere)

    def curvature(
        self, output: Tensor, points: PointSet, unknowns: Tensor, w: Tensor, dN: Tensor, dunknowns: Tensor
    ) -> tuple[Tensor, Tensor]:
        """sum_r w_r d2r applied to (dN, dunknowns): cotangents for the channels (C, K B, n) and the unknowns."""
        program, places = self._second
        B, elsewhere = len(points), self._slopes_elsewhere(output, points, unknowns)
        moving = self._channels(output, B, unknowns) | {s: e.value for s, e in elsewhere.items()}
        moved = self._channels(dN, B, dunknowns) | {s: e.tangent(dN, dunknowns) for s, e in elsewhere.items()}
        G, gu = torch.zeros_like(output), torch.zeros_like(unknowns)
        onto = Onto(self, G, gu, B)
        for (r, s, t), value in zip(places, self._run(program, moving, points), strict=True):
            onto.put(s, w[r] * value * moved[t])
        onto.elsewhere(elsewhere)
        if elsewhere:
            first, entries = self._first
            slopes = self._run(first, moving, points)[len(self._rows) :]
            for (r, s), value in zip(entries, slopes, strict=True):
                if s in elsewhere:
                    elsewhere[s].curvature((w[r] * value).expand(B), dN, dunknowns, G, gu)
        return G, gu


def compiled(
    residuals: Sequence[Residual],
    fields: Sequence[AppliedUndef],
    ansatz: Ansatz,
    parameters: Mapping[sp.Symbol, sp.Expr],
    unknowns: Sequence[sp.Symbol] = (),
) -> ResidualProgram:
    """The program of the arguments, compiled once a process: a run, its report and its correction share it.

    What holds a caller's own function is compiled anew: memory would keep the function, and all it knows, alive.
    """
    pairs = tuple((u, sp.sympify(g, strict=True), sp.sympify(d, strict=True)) for u, (g, d) in ansatz.items())
    if any(is_own(e) for e in (*(r.expression for r in residuals), *(e for _, *pair in pairs for e in pair))):
        return ResidualProgram(residuals, fields, ansatz, parameters, unknowns)
    return _remembered(tuple(residuals), tuple(fields), pairs, frozenset(parameters.items()), tuple(unknowns))


@lru_cache(maxsize=128)
def _remembered(
    residuals: tuple[Residual, ...],
    fields: tuple[AppliedUndef, ...],
    ansatz: tuple[tuple[AppliedUndef, sp.Expr, sp.Expr], ...],
    parameters: frozenset[tuple[sp.Symbol, sp.Expr]],
    unknowns: tuple[sp.Symbol, ...],
) -> ResidualProgram:
    return ResidualProgram(residuals, fields, {u: (g, d) for u, g, d in ansatz}, dict(parameters), unknowns)


@dataclass(frozen=True, eq=False)
class ResidualSlopes:
    """dr/dN as a sparse list, with the products that the row stack needs."""

    program: ResidualProgram
    entries: list[tuple[int, sp.Symbol, Value]]
    elsewhere: Mapping[sp.Symbol, ElsewhereSlopes]

    def cotangent(self, w: Tensor, like: Tensor, unknowns: Tensor) -> tuple[Tensor, Tensor]:
        """sum_r w_r dr/dN as cotangents of the channels, and of the unknown coefficients; w has shape (R, B)."""
        onto = Onto(self.program, torch.zeros_like(like), torch.zeros_like(unknowns), w.shape[1])
        for r, s, value in self.entries:
            onto.put(s, w[r] * value)
        onto.elsewhere(self.elsewhere)
        return onto.channels, onto.unknowns

    def row(self, r: int, like: Tensor, unknowns: Tensor, B: int) -> tuple[Tensor, Tensor]:
        """dr/dN of one row as cotangents (C, N, n), and dr/dunknowns per point (B, U), without `shared`."""
        G, gu, _ = self.row_and_shared(r, like, unknowns, B)
        return G, gu

    def row_and_shared(
        self, r: int, like: Tensor, unknowns: Tensor, B: int
    ) -> tuple[Tensor, Tensor, list[tuple[slice, int, int, Tensor]]]:
        """The same, and of nodes that all points share: where they stand, channel, output and dr/dN (B, q) there."""
        G, gu = torch.zeros_like(like), unknowns.new_zeros(B, len(unknowns))
        shared = []
        for q, s, value in self.entries:
            if q != r:
                continue
            if s in self.elsewhere:
                found = self.elsewhere[s]
                parts = found.row(torch.as_tensor(value).to(like).expand(B), G, gu)
                shared += [(found.block, c, n, slope) for c, n, slope in parts]
            elif s in self.program.unknowns:
                gu[:, self.program.unknowns.index(s)] += value
            else:
                c, k, n = self.program._place[s]
                G[c, k * B : (k + 1) * B, n] = value
        return G, gu, shared

    def tangent(self, dN: Tensor, dunknowns: Tensor, R: int, points: PointSet) -> Tensor:
        """sum dr/dN dN, shape (R, B)."""
        moved = self.program._channels(dN, len(points), dunknowns)
        moved |= {s: e.tangent(dN, dunknowns) for s, e in self.elsewhere.items()}
        out = points.X.new_zeros(R, len(points))
        for r, s, value in self.entries:
            out[r] += value * moved[s]
        return out


@dataclass(eq=False)
class Onto:
    """Cotangents of channels and unknown coefficients to which those of single slots are added."""

    program: ResidualProgram
    channels: Tensor
    unknowns: Tensor
    B: int
    _waiting: dict[sp.Symbol, Tensor] = field(default_factory=dict)

    def put(self, s: sp.Symbol, part: Tensor) -> None:
        """Add the cotangent (B,) of one slot, or of one unknown coefficient."""
        if s in self.program.elsewhere:
            self._waiting[s] = self._waiting.get(s, 0) + part
        elif s in self.program.unknowns:
            self.unknowns[self.program.unknowns.index(s)] += part.sum()
        else:
            c, k, n = self.program._place[s]
            self.channels[c, k * self.B : (k + 1) * self.B, n] += part

    def elsewhere(self, slopes: Mapping[sp.Symbol, ElsewhereSlopes]) -> None:
        """Hand on what was added for numbers that are taken from other points."""
        for s, w in self._waiting.items():
            slopes[s].cotangent(w, self.channels, self.unknowns)


def _elsewhere(
    found: Any, fields: Sequence[AppliedUndef], ansatz: Ansatz, parameters: Mapping[sp.Symbol, sp.Expr],
    unknowns: Sequence[sp.Symbol],
) -> ElsewhereProgram:  # fmt: skip
    """The program of a number that is taken from other points."""
    content = found.subs(parameters).actual
    inner = ResidualProgram([Residual("node", content.integrand, INTERIOR)], fields, ansatz, parameters, unknowns)
    return ElsewhereProgram(content, inner, fields[0].args)


def _with_unknowns(affine: Affine, unknowns: Sequence[sp.Symbol]) -> Affine:
    """The same, trained coefficients of g beside the network's channels: all that follows treats them alike."""
    slopes = {s: affine.constant.diff(s) for s in unknowns if affine.constant.has(s)}
    for s, slope in slopes.items():
        if slope.has(*unknowns):
            raise ValueError(f"the ansatz is not linear in the unknown coefficient {s}: expected g + d N with g so")
    return Affine(affine.constant.subs(dict.fromkeys(slopes, 0)), affine.coefficients | slopes)


def _named(
    affine: Mapping[sp.Symbol, Affine],
) -> tuple[dict[sp.Symbol, Affine], dict[sp.Symbol, sp.Expr]]:
    """The same with names for all parts of g and d that are no numbers, and what the names stand for.

    A named part is a step of its own, which does not melt into products with the network's channels.
    """
    names: dict[sp.Expr, sp.Symbol] = {}

    def named(part: sp.Expr) -> sp.Expr:
        return names.setdefault(part, sp.Symbol(f"_part{len(names)}", real=True)) if part.free_symbols else part

    found = {u: Affine(named(a.constant), {N: named(c) for N, c in a.coefficients.items()}) for u, a in affine.items()}
    return found, {name: part for part, name in names.items()}


def _stack(rows: Sequence[Value], X: Tensor) -> Tensor:
    return torch.stack([r if isinstance(r, Tensor) else torch.full_like(X[:, 0], r) for r in rows])


def _lower(residuals: Sequence[Residual], fields: Sequence[AppliedUndef], variables: Sequence[sp.Symbol]) -> Lowered:
    expressions: list[sp.Expr] = []
    slots: dict[sp.Symbol, Slot] = {}
    for residual in residuals:
        here = lower([residual.expression], fields, variables)
        expression, slots = here.expressions[0], slots | here.slots
        if residual.image:
            there = at_image(here, variables, 1)
            expression, slots = expression - there.expressions[0], slots | there.slots
        expressions.append(expression)
    return Lowered(tuple(expressions), slots)
