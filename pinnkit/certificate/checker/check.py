"""A checker of stored bounds c - w < e < c + w in rational arithmetic; it shares no code with what made them.

It reads the plain record of a `barrier_proof.BarrierProof` (`proof_file`), in which every float is a rational number,
and looks at every inequality of the theorem: L(c + w) > f > L(c - w) inside, the same for alpha e + beta e_n on walls
and for the start, no step down of c + w (up of c - w) from slab to slab, w > 0, |c| + w <= bound, and that the signs
and the smoothness are those of the theorem and that slabs, cells and faces leave nothing of the box out. Splines become
polynomials on each cell by de Boor's recurrence; an inequality holds where all Bernstein coefficients of its difference
are positive, on parts of the cell if need be. Coefficients of the operator are formed in rational numbers where they
are polynomials, else by Taylor polynomials whose remainders are bounded by balls (python-flint).

Taken for given, not checked: that operator and walls are those of the problem, that f, the misfits, the start and the
slopes of non-linear terms lie within their stored enclosures, and the theorem itself (`barrier`).
"""

import functools
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from flint import arb, fmpq

from .polynomials import (
    ZERO,
    Cell,
    ExactEnclosure,
    ExactSpline,
    Poly,
    bernstein,
    coefficient,
    exactly,
    halves,
    largest,
    plus,
    times,
)

DEPTH = 5  # of halvings of a cell
SHOWN = 20  # faults that are listed
FORMAT = "pinnkit barrier proof 1"


@dataclass
class CheckResult:
    """What was found: the number of Bernstein coefficients looked at, the least slack, and what does not hold."""

    coefficients: int = 0
    least: float = math.inf
    faults: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether the bound is proved, the enclosures being given."""
        return not self.faults

    def require(self, good: bool, text: str) -> None:
        """Something that must hold."""
        if not good and len(self.faults) < SHOWN:
            self.faults.append(text)

    def positive(self, p: Poly, above: fmpq, text: str, strictly: bool = True) -> None:
        """p > above (or >= above) on [0, 1]^d."""
        self.require(self._positive(bernstein(p, 1), above, strictly, DEPTH), text)

    def _positive(self, b: Poly, above: fmpq, strictly: bool, depth: int) -> bool:
        self.coefficients += b.size
        least = min(b.flat) - above
        if least > 0 or (not strictly and least >= 0):
            self.least = min(self.least, float(arb(least))) if strictly else self.least
            return True
        values = [b[c] - above for c in itertools.product((0, -1), repeat=b.ndim)]  # at corners
        if depth == 0 or not all(v > 0 or (not strictly and v >= 0) for v in values):
            return False
        parts = [b]
        for axis in range(b.ndim):
            parts = [half for p in parts for half in halves(p, axis)]
        return all(self._positive(p, above, strictly, depth - 1) for p in parts)


class SlabCheck:
    """c and w on one slab, with what has to be shown there."""

    record: Mapping[str, Any]
    proof: "ProofCheck"
    found: CheckResult
    c: ExactSpline
    w: ExactSpline
    box: list[tuple[Any, Any]]

    def __init__(self, record: Mapping[str, Any], proof: "ProofCheck") -> None:
        self.record, self.proof, self.found = record, proof, proof.found
        self.c, self.w = ExactSpline(record["center"]), ExactSpline(record["width"])
        self.box = [(z[0], z[-1]) for z in self.c.breaks]
        for s in (self.c, self.w):
            for k, name in enumerate(proof.names):
                still, ends = name == proof.time, (s.breaks[k][0], s.breaks[k][-1])
                self.found.require(ends == self.box[k] and (still or ends == proof.box[k]), f"a slab leaves out {name}")
                self.found.require(s.degrees[k] >= 1 + (not still), f"a spline has degree {s.degrees[k]} by {name}")
                self.found.require(s.periodic[k] == (name in proof.periodic), f"a spline is not periodic in {name}")

    def inequality(self, terms: Sequence[tuple], data: Mapping[str, Any], box: Cell, text: str) -> None:
        """sum of (coefficient, J, enclosures that are added) of c + w is above the data on box, that of c - w below.

        The sum is linear in what is added, so that its least and its largest value at each point decide.
        """
        more = [[list(ExactEnclosure(e, box).cells()) for e in added] for _, _, added in terms]
        for n, (cell, f, radius) in enumerate(ExactEnclosure(data, box).cells()):
            total, radii = [-f, f], [radius, radius]
            swings: tuple[list[Poly], list[Poly]] = ([], [])
            for (tree, J, _), added in zip(terms, more, strict=True):
                a, rest = coefficient(tree, cell)
                swing = ZERO
                for own in added:
                    self.found.require(own[n][0] == cell, f"{text}: enclosures have different cells")
                    a, swing = plus(a, own[n][1]), swing + own[n][2]
                c, w = self.c.on(cell, J), self.w.on(cell, J)
                for k, u in enumerate((plus(c, w), plus(-c, w))):
                    total[k], radii[k] = plus(total[k], times(a, u)), radii[k] + rest * largest(u)
                    swings[k].extend([u * swing] if swing else [])
            for p, r, moved, side in zip(total, radii, swings, ("c + w", "c - w"), strict=True):
                for signs in itertools.product((1, -1), repeat=len(moved)):
                    q = functools.reduce(lambda a, pair: plus(a, *pair), zip(moved, signs, strict=True), p)
                    self.found.positive(q, r, f"{text}, {side}, {shown(cell)}")


class ProofCheck:
    """A record, and the walk through all its claims."""

    found: CheckResult
    record: Mapping[str, Any]
    names: list[Any]
    time: Any
    box: list[tuple[Any, ...]]
    periodic: list[Any]
    open: list[Any]
    operator: list[tuple[Any, ...]]
    d: int
    t: int | None
    zero: tuple[int, ...]
    slabs: list[SlabCheck]

    def __init__(self, record: Mapping[str, Any]) -> None:
        self.found, self.record = CheckResult(), record
        self.names, self.time = list(record["coordinates"]), record["time"]
        self.box = [tuple(map(exactly, record["box"][n])) for n in self.names]
        self.periodic, self.open = list(record["periodic"]), list(record["open"])
        self.operator = [(tree, tuple(J)) for J, tree in record["operator"]]
        self.d, self.t = len(self.names), self.names.index(self.time) if self.time is not None else None
        self.zero = (0,) * self.d
        self.slabs = [SlabCheck(s, self) for s in record["slabs"]]

    def unit(self, *coordinates: int) -> tuple[int, ...]:
        """The multi-index of a derivative."""
        return tuple(coordinates.count(k) for k in range(self.d))

    def face(self, face: str, box: Cell) -> tuple[int, bool, Cell]:
        """The coordinate of a face, whether it is the upper one, and the part of the box that it is."""
        name, _, end = face.rpartition("_")
        k, high = self.names.index(name), {"min": False, "max": True}[end]
        return k, high, [(e[high],) * 2 if i == k else e for i, e in enumerate(box)]

    def checked(self) -> CheckResult:
        """All of it."""
        self.structure()
        before = None
        for number, slab in enumerate(self.slabs):
            given, own = slab.record, f"slab {number}"
            added: dict = {}
            for J, e in given.get("slopes", ()):
                added.setdefault(tuple(J), []).append(e)
            kinds = {J for _, J in self.operator} | set(added)
            trees = {J: tree for tree, J in self.operator}
            self.signs(given["source"], slab, own, bool(added))
            terms = [(trees.get(J, ["number", "0", "1"]), J, added.get(J, [])) for J in sorted(kinds)]
            slab.inequality(terms, given["source"], slab.box, f"{own}: inside")
            for wall, data in zip(self.record["walls"], given["misfits"], strict=True):
                k, high, box = self.face(wall["face"], slab.box)
                outward = ["*", ["number", "1" if high else "-1", "1"], wall["beta"]]
                for cell, *_ in ExactEnclosure(data, box).cells():
                    self.not_negative(wall["beta"], cell, f"beta on {wall['face']}")
                terms = [(wall["alpha"], self.zero, []), (outward, self.unit(k), [])]
                slab.inequality(terms, data, box, f"{own}: {wall['face']}")
            if before is not None:
                self.step(before, slab, f"{own}: its beginning")
            elif self.t is not None:
                start = [(e[0],) * 2 if i == self.t else e for i, e in enumerate(slab.box)]
                slab.inequality([(["number", "1", "1"], self.zero, [])], given["start"], start, "the start")
            for cell in common(slab.box, slab.c, slab.w):
                c, w = slab.c.on(cell, self.zero), slab.w.on(cell, self.zero)
                self.found.positive(w, ZERO, f"{own}: w > 0, {shown(cell)}")
                for limit in (self.record["bound"], self.record["reach"]):
                    for sign in (1, -1):
                        if limit is not None:
                            room = plus(plus(np.full((1,) * self.d, exactly(limit)), w, -1), c, sign)
                            self.found.positive(room, ZERO, f"{own}: |c| + w", strictly=False)
            before = slab
        return self.found

    def structure(self) -> None:
        """Slabs follow each other, every face has one condition, the operator is of the theorem's kind."""
        require, walls = self.found.require, [w["face"] for w in self.record["walls"]]
        faces = [f"{n}_{end}" for n in self.names if n != self.time for end in ("min", "max")]
        round_ = [f"{n}_{end}" for n in self.periodic for end in ("min", "max")]
        require(sorted([*walls, *self.open, *round_]) == sorted(faces), "faces have no condition, or several")
        require(all(sum(J) <= 2 for _, J in self.operator), "the operator has derivatives of third order")
        if self.t is not None:
            ends = [s.box[self.t] for s in self.slabs]
            require(ends[0][0] == self.box[self.t][0] and ends[-1][1] == self.box[self.t][1]
                    and all(a[1] == b[0] for a, b in itertools.pairwise(ends)), "slabs leave times out")  # fmt: skip
            by_time = [(tree, J) for tree, J in self.operator if J[self.t]]
            require(by_time == [(["number", "1", "1"], self.unit(self.t))], "the coefficient of e_t is not 1")
        else:
            require(len(self.slabs) == 1, "there are several slabs and no time")

    def signs(self, source: Mapping[str, Any], slab: SlabCheck, text: str, sloped: bool) -> None:
        """-(a_ij) is positive semi-definite (by dominance), and nothing comes in through open faces."""
        trees, space = {J: tree for tree, J in self.operator}, [k for k in range(self.d) if k != self.t]
        for cell, *_ in ExactEnclosure(source, slab.box).cells():
            for i in space:
                mixed = [trees[J] for j in space if j != i and (J := self.unit(i, j)) in trees]
                half = sum((largest(p) + r for p, r in (coefficient(tree, cell) for tree in mixed)), ZERO) / 2
                own = trees.get(self.unit(i, i), ["number", "0", "1"])
                self.not_negative(["*", ["number", "-1", "1"], own], cell, f"{text}: -a_ij", half)
        for face in self.open:
            k, high, box = self.face(face, slab.box)
            self.found.require(not sloped, f"{face} is open and the equation is not linear")
            p, r = coefficient(trees.get(self.unit(k, k), ["number", "0", "1"]), box)
            self.found.require(largest(p) == 0 and r == 0, f"{face} is open, and it diffuses through it")
            drift = trees.get(self.unit(k), ["number", "0", "1"])
            self.not_negative(["*", ["number", "1" if high else "-1", "1"], drift], box, f"{face} is open: outflow")

    def not_negative(self, tree: list, cell: Cell, text: str, least: fmpq = ZERO) -> None:
        """An expression is at least that on a cell."""
        p, r = coefficient(tree, cell)
        self.found.positive(p, least + r, text, strictly=False)

    def step(self, before: SlabCheck, after: SlabCheck, text: str) -> None:
        """From one slab to the next c + w does not fall and c - w does not rise."""
        ends = [(e[0],) * 2 if i == self.t else e for i, e in enumerate(after.box)]
        for cell in common(ends, before.c, before.w, after.c, after.w):
            c, w = (
                plus(new.on(cell, self.zero), old.on(cell, self.zero), -1)
                for new, old in ((after.c, before.c), (after.w, before.w))
            )
            for sign in (1, -1):
                self.found.positive(plus(w, c, sign), ZERO, f"{text}, {shown(cell)}", strictly=False)


def common(box: Cell, *splines: ExactSpline) -> Iterator[Cell]:
    """The cells between all breaks of several splines."""
    lines = []
    for k, (a, b) in enumerate(box):
        z = sorted({v for s in splines for v in s.breaks[k] if a <= v <= b} | {a, b})
        lines.append(list(itertools.pairwise(z)) if a < b else [(a, a)])
    yield from (list(cell) for cell in itertools.product(*lines))


def shown(cell: Cell) -> str:
    """A cell for a message."""
    return " x ".join(f"[{float(arb(a)):.6g}, {float(arb(b)):.6g}]" for a, b in cell)


def check(record: Mapping[str, Any]) -> CheckResult:
    """Whether a stored bound is proved by its record: see above for what is checked and what is taken for given.

    Raises:
        ValueError: a record that is not of the expected shape.
    """
    if record.get("format") != FORMAT:
        raise ValueError(f"the record has the format {record.get('format')!r}, expected {FORMAT!r}")
    return ProofCheck(record).checked()
