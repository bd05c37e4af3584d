"""Units: offsets and scales of the fields and sizes of the terms, from the statement and its data alone."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import sympy as sp
import torch
from torch import Tensor

from pinnkit.domain.point_set import PointSet
from pinnkit.statement.symbolic.lowering import Ansatz, Lowered
from pinnkit.statement.symbolic.residual import Residual
from pinnkit.statement.symbolic.torch_program import Program

from .checks import lowered
from .orders import slope
from .problem import Problem

POINTS = 1024  # of every set, at which data and coefficients are looked at
PLAIN = 30.0  # how far from 1 scales and sizes may be in a problem that stays as it is
TUNED = 1000.0  # the same of a problem with a recipe, which was made for its units
FAR = 1.5  # times the variation of a field: a mean value beyond is an offset
ROUNDS = 8  # in which scales are handed on from field to field
STEP = 1e-2  # of a coordinate's half width: over which the variation of sources is measured


@dataclass(frozen=True)
class Units:
    """Fields are offset + scale N, and terms are divided by their sizes: what the user's units cannot change.

    ``fields`` holds (offset, scale) by field, ``terms`` the size of each row, ``unknowns`` the scale of each unknown
    coefficient, whose trained number is its value over that.
    """

    fields: Mapping[str, tuple[float, float]]
    terms: Mapping[str, float]
    unknowns: Mapping[str, float] = field(default_factory=dict)

    def weights(self, given: Mapping[str, float]) -> dict[str, float]:
        """Weights w_k of squared rows, over the squares of the rows' sizes."""
        return {name: w / self.terms.get(name, 1.0) ** 2 for name, w in given.items()}

    def scaled(self, problem: Problem, ansatz: Ansatz) -> Ansatz:
        """u = g + scale d N; a field with nothing in g gets its offset, one whose ansatz is stated keeps it."""
        found = dict(ansatz)
        for u in problem.fields:
            if u in problem.ansatz:
                continue
            offset, scale = self.fields[str(u.func)]
            g, d = ansatz.get(u, (sp.S.Zero, sp.S.One))
            found[u] = sp.Float(offset, 17) if (g, d) == (0, 1) and offset else g, sp.Float(scale, 17) * d
        return found

    def __str__(self) -> str:
        fields = ", ".join(
            f"{u} = {c:.3g} + {s:.3g} N" if c else f"{u} = {s:.3g} N" for u, (c, s) in self.fields.items()
        )
        sizes = ", ".join(f"{name} {size:.1e}" for name, size in self.terms.items())
        fields += "".join(f", {name} = {s:.3g} z" for name, s in self.unknowns.items())
        return f"units: trained as {fields}" + (f"; terms over their sizes: {sizes}" if sizes else "")

    def to_json(self) -> dict[str, Any]:
        """Lists and numbers, for ``Units.of``."""
        return {
            "fields": {u: list(v) for u, v in self.fields.items()},
            "terms": dict(self.terms),
            "unknowns": dict(self.unknowns),
        }

    @classmethod
    def of(cls, data: Mapping[str, Any] | None) -> "Units | None":
        """What ``to_json`` gave; None of None."""
        if data is None:
            return None
        return cls(
            {u: (float(c), float(s)) for u, (c, s) in data["fields"].items()},
            dict(data["terms"]),
            dict(data["unknowns"]),
        )


def units(problem: Problem) -> Units | None:
    """Offsets, scales and sizes of a problem whose own are far from 1; None of one that is scaled well.

    A field's scale is how far its data (initial, boundary, measured) vary, or what the sources in its rows ask for:
    |f| over the sum of the coefficients |dr/d(D^a u)| / l^a, with half widths l of the domain, or the source's own
    length where that is shorter; a field without data takes what the others' terms ask for. A row's size is the root
    mean square of the sum of its terms so scaled. Multiplying coordinates, fields or equations by numbers multiplies
    scales and sizes alike: what is trained is the same (Lin, Segel 1988, chapter 6; weights from terms as in
    non-dimensionalised statements).
    """
    found = natural(problem)
    sizes = [*found.terms.values(), *found.unknowns.values(), *(s for _, s in found.fields.values())]
    plain = PLAIN if problem.recipe is None else TUNED
    far = any(abs(c) > plain for c, _ in found.fields.values())
    return found if far or max(sizes) > plain or min(sizes) < 1 / plain else None


def natural(problem: Problem) -> Units:
    """The offsets, scales and sizes, whatever they are."""
    rows = [_Row(problem, r) for r in problem.residuals]
    n = len(problem.fields)
    offset, scale = np.zeros(n), np.zeros(n)
    for k in range(n):
        levels = np.concatenate([[], *(row.levels(k) for row in rows)])
        if len(levels):
            middle, spread = (levels.max() + levels.min()) / 2, (levels.max() - levels.min()) / 2
            offset[k], scale[k] = (middle, spread) if abs(middle) > FAR * spread else (0.0, np.abs(levels).max())
    known = scale > 0
    for _ in range(ROUNDS):
        alone, only, among = np.array([row.asks(offset, scale, known) for row in rows]).transpose(1, 0, 2)
        balance = np.where((only > 0).any(0), _middle(only), _middle(among))
        most = alone.max(0)
        grown = np.where(known, np.maximum(scale, most), np.where(most > 0, most, balance))
        if np.array_equal(grown > 0, known) and np.allclose(grown, scale, rtol=1e-3, atol=0):
            break
        scale, known = grown, grown > 0
    scale = np.where(scale > 0, scale, np.where(offset != 0, np.abs(offset), 1.0))
    names = problem.field_names
    sizes = {row.name: row.size(offset, scale) for row in rows}
    fields = {name: (float(c), float(s)) for name, c, s in zip(names, offset, scale, strict=True)}
    terms = {name: size if size > 0 else 1.0 for name, size in sizes.items()}
    # A coefficient that starts from 0 is of the size at which its terms are as large as the others.
    own = {n: abs(v) or _least(row.asks_of(n, offset, scale) for row in rows) for n, v in problem.unknowns.items()}
    return Units(fields, terms, own)


def _least(sizes: Iterable[float]) -> float:
    return min((size for size in sizes if size > 0), default=1.0)


class _Row:
    """One residual at some points: its values and slopes at any state of the fields."""

    def __init__(self, problem: Problem, residual: Residual) -> None:
        self.problem, self.name, self.inside, self.image = problem, residual.name, residual.key == "pde", residual.image
        row: Lowered = lowered(problem, residual)
        self.slots = row.slots
        self.points: PointSet = problem.sample(residual.key, POINTS, method="random", seed=1)[:POINTS]
        numbers = problem.parameters | problem.unknowns
        self.known = {s: numbers[s.name] for s in row.expressions[0].free_symbols if s.name in numbers}
        columns = {s for s in row.expressions[0].free_symbols if s.name in self.points.columns}
        self.columns = {s: self.points.columns[s.name] for s in columns}
        inputs = [*problem.variables, *self.known, *self.columns, *self.slots]
        slopes = [slope(row.expressions[0], s) for s in self.slots]
        self.linear = not any(e.has(*self.slots) for e in slopes)
        self.unknowns = {s.name: s for s in self.known if s.name in problem.unknowns}
        by_unknown = [slope(row.expressions[0], s) for s in self.unknowns.values()]
        self._by_unknown = Program(by_unknown, inputs)
        self._value, self._slopes = Program(row.expressions, inputs), Program(slopes, inputs)
        lo, hi = problem.domain.bounds
        self.half = (hi - lo) / 2
        generator = np.random.default_rng(1)
        self.shares = {s: generator.uniform(0.5, 1.0, len(self.points)) for s in self.slots}

    def _evaluate(self, program: Program, state: Mapping[sp.Symbol, Any], X: Tensor | None = None) -> np.ndarray:
        """Outputs (., n) at points; what is not finite there counts as nothing."""
        X = self.points.X if X is None else X
        full = {s: torch.as_tensor(v, dtype=X.dtype).expand(len(X)) for s, v in (self.known | dict(state)).items()}
        values = {v: X[:, i] for i, v in enumerate(self.problem.variables)} | full | self.columns
        out = [torch.as_tensor(o, dtype=X.dtype).expand(len(X)) for o in program(values)]
        return np.nan_to_num(torch.stack(out).numpy(), nan=0.0, posinf=0.0, neginf=0.0)

    def _base(self, offset: np.ndarray) -> dict[sp.Symbol, Any]:
        return {s: 0.0 if any(slot.channel[0][1]) else offset[slot.output] for s, slot in self.slots.items()}

    def _typical(self, scale: np.ndarray, half: np.ndarray) -> dict[sp.Symbol, float]:
        """scale / half^index for every slot."""
        sizes = {}
        for s, slot in self.slots.items():
            sizes[s] = scale[slot.output] / np.prod(half ** np.array(slot.channel[0][1], dtype=float))
        return sizes

    def _slopes_at(self, offset: np.ndarray, scale: np.ndarray) -> np.ndarray:
        """|dr/dslot|, shape (slots, n), where fields and derivatives are of their sizes."""
        typical, base = self._typical(scale, self.half), self._base(offset)
        return np.abs(self._evaluate(self._slopes, {s: base[s] + typical[s] * self.shares[s] for s in self.slots}))

    def levels(self, k: int) -> Iterable[float]:
        """The values that a linear condition on a field alone gives it."""
        own = {s: slot for s, slot in self.slots.items() if not any(slot.channel[0][1])}
        if self.image or not own or not self.linear or {slot.output for slot in self.slots.values()} != {k}:
            return []
        if self.inside and len(self.slots) > 1:
            return []
        zero = dict.fromkeys(self.slots, 0.0)
        unit = self._typical(np.ones(len(self.problem.fields)), self.half)
        slopes = dict(zip(self.slots, self._evaluate(self._slopes, zero), strict=True))
        (value,) = own
        rest = sum(np.abs(slopes[s]) * unit[s] for s in self.slots if s != value)
        sure = np.abs(slopes[value]) > 0.1 * rest
        return -self._evaluate(self._value, zero)[0][sure] / slopes[value][sure]

    def asks(self, offset: np.ndarray, scale: np.ndarray, known: np.ndarray) -> np.ndarray:
        """The scales (3, fields) that the row asks for: of a field that stands in it alone, and of those not known.

        The latter from the terms that are, where one field is not known, and (less reliable) where several are not.
        """
        n = len(self.problem.fields)
        out = np.zeros((3, n))
        source = self._evaluate(self._value, self._base(offset))[0]
        size, half = float(np.abs(source).max()), self._lengths(source, offset)
        slopes = self._slopes_at(offset, np.where(known, scale, 0.0))
        unit = np.array([*self._typical(np.ones(n), half).values()])
        outputs = np.array([slot.output for slot in self.slots.values()])
        terms = slopes * unit[:, None]
        per = np.array([_rms(terms[outputs == k].sum(0)) for k in range(n)])
        found = [int(k) for k in set(outputs)]
        if len(found) == 1 and size and per[found[0]]:
            out[0, found[0]] = size / per[found[0]]
            return out
        rest = size + float(per @ np.where(known, scale, 0.0))
        lacking = [k for k in found if not known[k] and per[k]]
        for k in lacking:
            out[1 if len(lacking) == 1 else 2, k] = rest / per[k]
        return out

    def asks_of(self, name: str, offset: np.ndarray, scale: np.ndarray) -> float:
        """The size of the row's other terms over the slope by an unknown coefficient; 0 where it has none."""
        if name not in self.unknowns:
            return 0.0
        typical, base = self._typical(scale, self.half), self._base(offset)
        state = {s: base[s] + typical[s] for s in self.slots}
        slopes = dict(zip(self.unknowns, self._evaluate(self._by_unknown, state), strict=True))
        slope = _rms(slopes[name])
        return self.size(offset, scale) / slope if slope else 0.0

    def _lengths(self, source: np.ndarray, offset: np.ndarray) -> np.ndarray:
        """The half widths, shortened to the length on which a source in the interior varies: mean |f| / mean |f_x|."""
        size = float(np.abs(source).mean())
        if not self.inside or not size:
            return self.half
        pulse = np.zeros(len(self.half))
        for i, h in enumerate(self.half * STEP):
            X = self.points.X.clone()
            forward = np.where(X[:, i] + h < self.problem.domain.bounds[1, i], h, -h)
            X[:, i] += torch.as_tensor(forward)
            moved = self._evaluate(self._value, self._base(offset), X)[0]
            pulse[i] = float(np.abs((moved - source) / forward).mean()) / size
        return 1 / np.hypot(1 / self.half, pulse)

    def size(self, offset: np.ndarray, scale: np.ndarray) -> float:
        """The root mean square of the sum of the terms' sizes, the source's among them."""
        typical = np.array([*self._typical(scale, self.half).values()])
        terms = (self._slopes_at(offset, scale) * typical[:, None]).sum(0)
        return max(_rms(terms), _rms(self._evaluate(self._value, self._base(offset))[0]))


def _middle(scales: np.ndarray) -> np.ndarray:
    """The geometric mean of what rows (rows, fields) ask for, of those that do; 0 where none does."""
    some = scales > 0
    logs = np.log(np.where(some, scales, 1.0)).sum(0) / np.maximum(some.sum(0), 1)
    return np.where(some.any(0), np.exp(logs), 0.0)


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values)))) if len(values) else 0.0
