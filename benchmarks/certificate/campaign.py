"""A campaign of enclosed certificates: random problems that miss one thing at a time, all walls, times up to 100.

Problems are those of `draws`, whose truths `truths` finds by Galerkin's method, of three degrees. Every theorem's bound
is looked at by itself, before and after a spline is taken off, not only the least one: a constant that is too small
must not hide behind another theorem. The approximation u = 0 is enclosed as it is, so that problems are cheap; of one
in `WHOLE` it is a network without weights, and the bounds are those of `certify`. Elements are fewer than by default
but in one problem of `FINE`. Every problem is a line of a file and is not run again, unless the certificates' code is
another one than that the file was made by.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import sympy as sp
import torch

import pinnkit as pk
from benchmarks.certificate import code_hash
from benchmarks.certificate.draws import AGREE, drawn, problem, true
from pinnkit.certificate import theorems
from pinnkit.certificate.barrier import bounds as barrier
from pinnkit.certificate.barrier.barrier import BarrierPlan
from pinnkit.certificate.certify import CONSTANTS
from pinnkit.certificate.enclosure.field_enclosure import FieldEnclosure
from pinnkit.certificate.enclosure.periodic_jump import periodic_jump
from pinnkit.certificate.misfits.enclosed import EnclosedMisfits
from pinnkit.certificate.misfits.spline_correction import MovedMisfits
from pinnkit.certificate.proof_file import record
from pinnkit.certificate.theorem.misfit import Norm
from pinnkit.certificate.validated.taylor_model import TaylorModel

WHOLE, FINE, CHECKED, WIDE = 40, 20, 2, 8  # one problem in so many: by certify, finely, checked; barriers of rectangles
ELEMENTS = 8  # by each coordinate, of splines that are taken off
COARSE = {
    (1, True): (BarrierPlan(8, slabs=4, first=8),), (1, False): (BarrierPlan(16),),
    (2, True): (BarrierPlan(4, coarse=1, degree_in_time=3, slabs=3, first=4),), (2, False): (BarrierPlan(8, coarse=1),),
}  # fmt: skip


def code() -> str:
    """What the certificates' code, and the campaign's, is known by."""
    return code_hash.code(*(Path(__file__).with_name(f"{name}.py") for name in ("campaign", "draws", "truths")))


@dataclass(eq=False)
class Nothing(FieldEnclosure):
    """u = 0 by itself, a network that is not looked at; ``held``: as if conditions were met by an ansatz."""

    held: bool = False

    @cached_property
    def ansatz(self) -> tuple[sp.Expr, sp.Expr]:
        """g and d."""
        return sp.S.Zero, sp.S.Zero if self.held else sp.S.One

    def on(self, wanted: Any, cells: Any, space: Any) -> Any:
        """0 for all derivatives."""
        still = torch.zeros_like(cells.middle)
        return {J: TaylorModel.constant(space, 0.0, still[0], True) for J in wanted}, still

    def jumps(self, wanted: Any, cells: Any, space: Any) -> Any:
        """None."""
        return self.on(wanted, cells, space)


@dataclass(eq=False)
class OfNothing(EnclosedMisfits):
    """What u = 0 misses."""

    _rounded = 0.0

    def residual(self) -> Norm:
        """Nothing at all where u = 0 solves the equation."""
        ((_, e),) = self.solution.problem.everywhere("certificates do").items()
        return Norm() if e.subs(self.solution.problem.fields[0], 0).doit() == 0 else super().residual()

    @cached_property
    def _field(self) -> FieldEnclosure:
        return Nothing(self.solution, periodic_jump(self.form), self.solution.problem.domain.bounds[1, 0] * 32 % 2 < 1)


def measured(number: int) -> dict[str, Any]:
    """The bounds of one problem beside the truth."""
    c = drawn(number)
    out: dict[str, Any] = {n: c[n] for n in ("seed", "kind", "plane")}
    out |= {"T": float(f"{c['T']:.3g}"), "miss": c["miss"].split()[0]}
    out |= {"walls": ", ".join(k for _, k, *_ in c["ends"]) or "ring"}
    exact = true(c)
    try:
        p = problem(c)
        network = pk.MLP(len(p.variables), 2, 1)
        solution = pk.Solution(
            pk.Model(p, network, False), torch.zeros_like(network.initial(p.domain, 0)), pk.Points({})
        )
        whole = number % WHOLE == 0 and not c["plane"]
        found = by_certify(solution) if whole else by_theorem(solution, number)
    except ValueError as error:
        return out | {"refused": str(error)}
    rows = [[b.norm, b.theorem, float(f"{b.value:.8g}"), float(f"{exact[b.norm]:.8g}")]
            for b in found if b.norm in exact and np.isfinite(b.value)]  # fmt: skip
    proofs = [b.proof for b in found if b.norm == "sup" and b.proof is not None]
    looked = number % CHECKED == 0 and not c["plane"] and proofs
    return out | {"rows": rows} | ({"faults": checked(proofs[0])} if looked else {})


def by_certify(solution: Any) -> list[Any]:
    """The least bounds."""
    return list(pk.certify(solution, enclosed=True, slopes=True, corrected=False).bounds)


def by_theorem(solution: Any, number: int) -> list[Any]:
    """Those of every theorem."""
    f, known = theorems.theorems(solution.problem, slopes=True)
    own, found = OfNothing(solution, f, 1.0), []
    default = barrier.PLANS
    barrier.PLANS = default if number % FINE == 0 else COARSE
    try:
        for theorem in known:
            wide = theorem.__module__ == barrier.__name__ and len(f.space) > 1 and f.order
            if not wide or number % WIDE == 0:
                found += _of(theorem, own)
    finally:
        barrier.PLANS = default
    if f.numbers is not None and len(solution.problem.variables) == 2:
        moved = MovedMisfits(own, ELEMENTS)
        for theorem in known:
            if theorem.__module__ != barrier.__name__:
                found += _of(theorem, moved, ", after a spline")
    return found


def _of(theorem: Any, misfits: Any, more: str = "") -> list[Any]:
    try:
        return [
            replace(b, value=(b.value + misfits.apart(b.norm)) * CONSTANTS, theorem=b.theorem + more)
            for b in theorem(misfits)
        ]
    except (ValueError, OverflowError):  # a theorem that has nothing to say of this problem
        return []


def checked(proof: Any) -> list[str]:
    """What the checker in rational arithmetic says against a proof."""
    from pinnkit.certificate.checker.check import check

    return check(record(proof)).faults


def results(count: int, file: Path) -> Iterator[dict[str, Any]]:
    """Of the first ``count`` problems those in the file, and then new ones, which are written there."""
    head, known = {"code": code()}, {}
    lines = file.read_text().splitlines() if file.exists() else []
    if lines and json.loads(lines[0]) == head:
        known = {r["seed"]: r for r in map(json.loads, lines[1:])}
    else:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(head) + "\n")
    with file.open("a") as out:
        for number in range(max(count, len(known))):
            if number not in known:
                known[number] = measured(number)
                out.write(json.dumps(known[number]) + "\n")
                out.flush()
            yield known[number]


def table(found: list[dict[str, Any]]) -> str:
    """bound / true by theorem and walls, as Markdown."""
    rows: dict[tuple[str, str], list[float]] = {}
    worst: list[tuple[float, int, str]] = []
    least: dict[tuple[int, str], float] = {}
    for r in found:
        for norm, theorem, bound, exact in r.get("rows", ()):
            if exact > 1e-9:
                q, name = bound / exact, theorem.replace(", after a spline", "").partition(", zero-order")[0]
                rows.setdefault((name, r["walls"] + (", rectangle" if r["plane"] else "")), []).append(q)
                worst.append((q, r["seed"], f"{r['kind']} {r['miss']} {norm}"))
                least[r["seed"], norm] = min(q, least.get((r["seed"], norm), q))
    lines = ["| theorem | walls | bounds | violated | bound / true: median | 90 % | largest |", "|---|" + "---|" * 6]
    for (theorem, walls), v in sorted(rows.items()):
        numbers = " | ".join(f"{q:.3g}" for q in (np.median(v), np.quantile(v, 0.9), max(v)))
        lines.append(f"| {theorem} | {walls} | {len(v)} | {sum(q < 1 - AGREE for q in v)} | {numbers} |")
    ratios = [q for v in rows.values() for q in v]
    bad = [f"{text} of problem {number}: {q:.4f}" for q, number, text in sorted(worst) if q < 1 - AGREE]
    refused = [r["refused"] for r in found if "refused" in r]
    proofs = [r for r in found if r.get("faults") is not None]
    wrong = [f"problem {r['seed']}: {r['faults'][0]}" for r in proofs if r["faults"]]
    why = {text.partition("has no certificate: ")[2][:90] or text[:90] for text in refused}
    few = [f"{theorem} ({walls}) {len(v)}" for (theorem, walls), v in sorted(rows.items()) if len(v) < 50]
    return "\n".join(lines) + (
        f"\n\n{len(found)} problems, {len(refused)} refused, {len(ratios)} bounds whose truth is known to "
        f"{AGREE:g}, {len(bad)} violated{': ' if bad else ''}{'; '.join(bad)}. At most 3 times the error: "
        f"{np.mean([q <= 3 for q in ratios]):.0%} of all, {np.mean([q <= 3 for q in least.values()]):.0%} of the least "
        f"of each problem and norm. Of {len(proofs)} proofs that the checker looked at {len(wrong)} are not right"
        f"{': ' if wrong else ''}{'; '.join(wrong)}.\n\nTheorems and walls with fewer than 50 bounds: {len(few)}"
        f"{': ' if few else ''}{'; '.join(few)}.\n" + "".join(f"\n- refused: {w}" for w in sorted(why)) + "\n"
    )  # fmt: skip
