"""certify(): an upper bound of a solution's error, with its theorem and how it was evaluated."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import sympy as sp
import torch
from torch import Tensor

from pinnkit.certificate.misfits.enclosed import EnclosedNetwork
from pinnkit.certificate.misfits.sampled import ROUNDING, SampledMisfits, grid, norms_on_grid
from pinnkit.certificate.theorem.bound import Bound, Theorem
from pinnkit.certificate.theorem.closed_form import ENCLOSURES
from pinnkit.certificate.theorem.form import Form
from pinnkit.certificate.theorem.misfit import Misfits, Norm
from pinnkit.certificate.theorem.proof import BarrierProof
from pinnkit.domain.box import Box
from pinnkit.model.solution import Solution
from pinnkit.tools.checked import checked
from pinnkit.tools.labelled import Labelled

from .corrected_twin import Twin, corrected, distances, seen
from .theorems import theorems
from .true_slopes import slope_norms

if TYPE_CHECKING:
    from pinnkit.certificate.checker.check import Checked

CONSTANTS = 1 + 1e-9  # the theorems' constants are not rounded outwards: rigorous bounds are made larger by this
TIGHT = 1.1  # a bound of the largest error that is so little above what it is at least needs no corrected twin
AS_GOOD = 1e-6  # by how much more, relatively, a bound may be that can be checked again
MEANING = {
    "sup": "largest |error|",
    "L2": "L2 norm of the error",
    "L2(Q)": "L2 norm of the error in space and time",
    "L2(t)": "L2 norm of the error at any time",
    "L2(T)": "L2 norm of the error at the final time",
    "L1(t)": "L1 norm of the error at any time",
    "H1(t)": "L2 norm of the error's slope at any time",
    "H2(t)": "L2 norm of the error's second derivative at any time",
}


@checked
@dataclass(frozen=True)
class Certificate(Labelled):
    """Upper bounds of the error of a solution; ``rigorous`` where its misfit was enclosed and not sampled.

    ``misfits`` holds the norms of what the solution misses, by condition. ``errors`` holds the true errors in the same
    norms where the problem has a reference, by quadrature where that is a function, else on its grid; ``floors`` by how
    much they may be wrong because the reference itself is. In a norm that several theorems bound the least one counts.
    ``direct`` are the bounds that follow from ``misfits``, ``twin`` is what the others went through (or None, and the
    ``note`` says why).
    """

    problem: str
    equation: str
    bounds: tuple[Bound, ...]
    misfits: Mapping[str, Norm]
    evaluation: str
    rigorous: bool
    errors: Mapping[str, float]
    floors: Mapping[str, float]
    reference_error: float | None
    direct: tuple[Bound, ...] = ()
    twin: Twin | None = None
    note: str = ""

    def __getitem__(self, norm: str) -> float:
        for b in self.bounds:
            if b.norm == norm:
                return b.value
        raise KeyError(f"there is no bound of {norm!r}: there are {', '.join(b.norm for b in self.bounds)}")

    @property
    def violations(self) -> list[str]:
        """Norms whose true error lies above its bound by more than the reference may be wrong: none, or a bug."""
        return [b.norm for b in self.bounds if self.errors.get(b.norm, 0.0) - self.floors.get(b.norm, 0.0) > b.value]

    def to_dict(self) -> dict[str, Any]:
        """All figures as plain numbers, text, lists and dicts."""
        return {
            "problem": self.problem, "equation": self.equation,
            "bounds": [{"norm": b.norm, "value": b.value, "theorem": b.theorem} for b in self.bounds],
            "misfits": {name: n.to_dict() for name, n in self.misfits.items()}, "evaluation": self.evaluation,
            "rigorous": self.rigorous, "errors": dict(self.errors), "floors": dict(self.floors),
            "reference_error": self.reference_error, "direct": [b.to_dict() for b in self.direct],
            "twin": None if self.twin is None else self.twin.to_dict(), "note": self.note,
        }  # fmt: skip

    def pointwise(self, X: Tensor) -> tuple[Tensor, float]:
        """An estimate of u* - v at points X (n, d), shape (n,), and a radius: the error is within it everywhere.

        The estimate is c - v, c the corrected twin, evaluated in floating point; the radius is the bound of |u* - c|.

        Raises:
            ValueError: a certificate without a twin, or without a bound of its largest error.
        """
        own = [] if self.twin is None else [b.value for b in self.twin.bounds if b.norm == "sup"]
        if not own:
            raise ValueError(f"{self.problem}: there is no bound at single points: {self.note or 'no sup bound'}")
        return self.twin.moved(X), own[0]

    @property
    def proof(self) -> BarrierProof | None:
        """The barrier behind the bound of the largest error, the solution's or its twin's; None by another theorem."""
        return self._behind[0]

    @property
    def added(self) -> list[float]:
        """What is added to the proof's own bound: jumps taken off at periodic ends, the distance to a twin."""
        proof, apart, twin = self._behind
        return [] if proof is None else [apart, *([self.twin.distances["sup"]] if twin else [])]

    @property
    def _behind(self) -> tuple[BarrierProof | None, float, bool]:
        """The proof, what is apart from it, and whether it is about the twin."""
        kinds = [(self.direct, False), ((), True) if self.twin is None else (self.twin.bounds, True)]
        found = {via: b for own, via in kinds for b in own if b.norm == "sup" and b.proof is not None}
        via = True in found and (False not in found or self["sup"] < found[False].value)
        return (found[via].proof, found[via].apart, via) if via in found else (None, 0.0, False)

    def at(self, X: Tensor) -> tuple[Tensor, Tensor]:
        """Bounds (low, high) of u* - v at points X (n, d), both of shape (n,), by the barrier, which varies in space.

        They hold as the certificate's bounds do, up to the rounding of evaluating them (1e-14 of their size), and
        through a corrected twin up to that of evaluating both networks.

        Raises:
            ValueError: the bound of the largest error is by another theorem: :meth:`pointwise` may know more.
        """
        proof, apart, via = self._behind
        if proof is None:
            raise ValueError(f"{self.problem}: its bound does not vary over the domain (no barrier was found for it)")
        from pinnkit.certificate.barrier.barrier import range_of  # slow to import

        low, high = (torch.as_tensor(v) for v in range_of(proof, X.double().cpu().numpy()))
        middle = self.twin.moved(X).double().cpu() if via else torch.zeros_like(low)
        return middle + low - apart, middle + high + apart

    def verify(self) -> "Checked":
        """The proof behind the bound of the largest error, looked at again by a small checker in rational arithmetic.

        The checker (`checker`; needs python-flint, ``pip install 'pinnkit[check]'``) shares no code with what made the
        proof. It takes for given what is said there: the enclosures of the residual and of the misfits on cells
        (of a certificate by samples they are estimates), and of a bound through a corrected twin the distance to that.

        Raises:
            ValueError: the bound of the largest error is by another theorem, of which no proof is kept.
        """
        from .proof_file import contents, verified  # slow to import, and an extra

        return verified(contents(self))

    def rows(self) -> list[tuple[str, str]]:
        """The certificate as pairs of a label and a text."""
        found = [("problem", f"{self.problem}: {self.equation}")]
        for b in self.bounds:
            found.append((MEANING[b.norm], f"<= {b.value:.2e}   ({b.theorem}{self._true(b.norm)})"))
        largest = ", ".join(f"{name} {n.sup:.2e}" for name, n in self.misfits.items())
        found.append(("misfit", f"at most {largest}"))
        found.append(("evaluation", self.evaluation))
        if self.twin is not None:
            found.append(("corrected twin", self.twin.text))
        elif self.note:
            found.append(("corrected twin", f"none: {self.note}"))
        found.append(("rigorous", "yes" if self.rigorous else "no: a larger misfit may hide between the samples"))
        if self.reference_error is not None:
            found.append(("reference", f"its own relative error is {self.reference_error:.1e}"))
        return found

    def _true(self, norm: str) -> str:
        if norm not in self.errors:
            return ""
        floor = self.floors[norm]
        known = floor <= 0.01 * self.errors[norm]
        return f"; true {self.errors[norm]:.2e}" + ("" if known else f", known to {floor:.0e}")

    def emphasis(self, label: str, text: str) -> str:
        """Bounds stand out."""
        return "bold" if text.startswith("<=") else ""


@checked
def certify(
    solution: Solution, enclosed: bool = False, slopes: bool = False, twin: Solution | bool = True
) -> Certificate:
    """Bound the error |u - u*| of a solution by a theorem that fits its equation.

    The theorems: comparison with a supersolution made and verified for the problem (parabolic and elliptic equations
    of second order in one or two space dimensions with any mix of walls, variable coefficients, parabolic ones also
    with non-linear terms of u and its slopes: `barrier`), maximum principles with constants (the same, in more
    dimensions), L2 bounds by transposition (heat, wave, telegraph, Klein-Gordon, Laplace,
    Helmholtz away from resonance), energy (beam, advection, linear KdV; slopes of waves), and for Burgers' equation
    contraction in L1 and the Cole-Hopf map; each with its assumptions in the module pinnkit.certificate.NAME.

    The bound follows from the misfit of initial values, boundary values and (of a network) the equation. The misfit is
    looked at in many points, or with ``enclosed`` bounded rigorously: by interval arithmetic for a superposition of
    exact solutions in one or two space dimensions (in three it is sampled only); by Taylor models for an MLP in up to
    three coordinates. Data must be given in closed form. Periodic conditions are enclosed in one space dimension: what
    values and slopes jump there, even of a network that was not made periodic, is taken off by polynomials and added to
    the bound. What is proved is about the solution with its weights or amplitudes as exact numbers: what evaluating it
    in floating point adds is not in the bound (of a network about 1e-15 of its terms in float64; of a superposition
    ``evaluation`` holds a bound, or where none is known an estimate). ``slopes`` adds bounds of the error's derivatives
    where an energy gives them (heat, wave, telegraph and Klein-Gordon equations on boxes, beams) and the data neither
    jump nor disagree where faces meet, at the cost of looking at derivatives of the misfit.

    A second bound goes through a corrected ``twin`` c of the solution v, |u* - v| <= |c - v| + |u* - c| (`twin`), and
    in every norm the lesser one counts: where c misses much less than v that is nearly the error itself. The twin is
    made by :func:`pinnkit.correct`, at its cost, unless one is given, or none wanted (False). A twin is only a path to
    a bound: what is proved does not rest on how it was found.

    Raises:
        ValueError: an equation, domain, condition or solution for which there is no bound, with the reason; a twin that
            is not in the solution's tangent space.
    """
    problem = solution.problem
    f, known = theorems(problem, slopes)
    direct, misfits, scale = _direct(solution, f, known, enclosed)
    best, other, note = direct, None, ""
    if twin is True and (own := direct.get("sup")) is not None and own.value <= TIGHT * own.least:
        note = "its own bound is tight"
    elif twin is not False:
        try:
            other = _twin(solution, corrected(solution) if twin is True else twin, f, known, enclosed, scale)
        except ValueError as error:
            if twin is not True:
                raise
            note = str(error)
    if other is not None:
        through = {b.norm: other.through(b.norm) for b in other.bounds if b.norm in other.distances}
        best = {n: min((found[n] for found in (direct, through) if n in found), key=lambda b: b.value) for n in direct}
    order = [norm for norm in MEANING if norm in best]
    errors, floors = _errors(solution, order)
    return Certificate(
        problem.name,
        f"{_equation(f)}, {len(f.space)}D",
        tuple(best[norm] for norm in order),
        misfits.named(),
        misfits.evaluation,
        enclosed,
        errors,
        floors,
        None if problem.reference is None else problem.reference.error,
        tuple(direct[norm] for norm in order),
        other,
        note,
    )


def _direct(
    solution: Solution, f: Form, known: list[Theorem], enclosed: bool
) -> tuple[dict[str, Bound], Misfits, float]:
    """The bounds by what the solution itself misses, the misfits, and the size of the solution."""
    sampled = SampledMisfits(solution, f)
    misfits = _enclosed(solution, f, sampled.scale) if enclosed else sampled
    best = _best(known, misfits)
    if enclosed:
        apart = {norm: misfits.apart(norm) * CONSTANTS for norm in best}
        best = {n: replace(b, value=b.value * CONSTANTS + apart[n], apart=apart[n]) for n, b in best.items()}
    return best, misfits, sampled.scale


def _twin(solution: Solution, twin: Solution, f: Form, known: list[Theorem], enclosed: bool, scale: float) -> Twin:
    """The twin with its own bounds and its distance from the solution."""
    if twin.problem is not solution.problem:
        raise ValueError("the twin solves another problem: take pk.correct(solution)")
    bounds, misfits, _ = _direct(twin, f, known, enclosed)
    apart = distances(solution, twin, bounds, scale) if enclosed else seen(solution, twin, bounds)
    apart = {norm: value * CONSTANTS for norm, value in apart.items()}
    return Twin(solution, twin, apart, tuple(bounds.values()), misfits.named(), misfits.evaluation)


def _enclosed(solution: Solution, f: Form, scale: float) -> Misfits:
    return ENCLOSURES.get(type(solution.network), EnclosedNetwork)(solution, f, scale)


def _best(known: list[Theorem], misfits: Misfits) -> dict[str, Bound]:
    """The least bound in every norm, of the theorems whose misfits can be had; of equal ones that with a proof."""
    best: dict[str, Bound] = {}
    reasons = []
    for theorem in known:
        try:
            found = theorem(misfits)
        except ValueError as error:
            reasons.append(error)
            continue
        except OverflowError:
            reasons.append(ValueError("its bound is beyond any number: errors may grow too much over such a time"))
            continue
        for b in found:
            if not math.isfinite(b.value):
                reasons.append(ValueError(f"its bound of the {MEANING[b.norm]} is beyond any number: {b.theorem}"))
                continue
            other = best.get(b.norm, b)
            proved = (b.proof is not None) - (other.proof is not None)
            better = b.value < other.value * (1 + AS_GOOD * proved) or b.norm not in best
            best[b.norm] = replace(b if better else other, least=max(b.least, other.least))
    if not best:
        raise reasons[0]
    return best


def _equation(f: Form) -> str:
    """The equation in its own derivatives, u_t = ..."""
    u, names = str(f.problem.fields[0].func), f.problem.domain.names

    def derivative(J: tuple[int, ...]) -> str:
        return u + ("_" if any(J) else "") + "".join(n * k for n, k in zip(names, J, strict=True))

    plain = {s: sp.Symbol(derivative(J)) for J, s in f.slots.items()}
    right = sp.nsimplify(f.right, rational=False).xreplace(plain)
    right = right.xreplace({n: sp.Float(float(n), 6) for n in right.atoms(sp.Rational) if n.q > 1000})
    left = derivative(tuple(f.order if i == f.time else 0 for i in range(len(names)))) if f.order else "0"
    return f"{left} = {right}"


def _errors(solution: Solution, norms: list[str]) -> tuple[dict[str, float], dict[str, float]]:
    """The true errors, of slopes where the reference is a closed form, and the reference's own error in them."""
    reference, box = solution.problem.reference, solution.problem.domain
    if reference is None:
        return {}, {}
    if not isinstance(box, Box):
        _, predicted, values = solution.on_grid()
        found, size = ({"sup": float(np.nanmax(np.abs(a[..., 0])))} for a in (predicted - values, values))
    else:
        if callable(reference):
            X, _, rules = grid(box, {})
            shape = [len(x) for x, _ in rules.values()]
            values = reference(X)[:, 0].double().numpy().reshape(shape)
            predicted = solution(X.to(solution.theta))[:, 0].cpu().double().numpy().reshape(shape)
        else:
            axes, *columns = solution.on_grid()
            rules = {n: (x, _trapezoid(x)) for n, x in axes.items()}
            predicted, values = (a[..., 0].numpy() for a in columns)
        found, size = (norms_on_grid(a, rules, box.time) for a in (predicted - values, values))
        if callable(reference):
            for norm, (wrong, whole) in slope_norms(solution, norms, X, rules).items():
                found[norm], size[norm] = wrong, whole
        else:
            found = _resolved(found, predicted - values, rules, box.time, reference.error * size["sup"])
    relative = reference.error + ROUNDING * torch.finfo(torch.float64).eps
    kept = [n for n in norms if n in found]
    return {n: found[n] for n in kept}, {n: relative * size[n] for n in kept}


def _resolved(
    found: dict[str, float],
    e: np.ndarray,
    rules: Mapping[str, tuple[np.ndarray, np.ndarray]],
    time: str | None,
    floor: float,
) -> dict[str, float]:
    """The norms that every other node gives as well: a table cannot show the L2 norm of an error on a few lines."""
    coarse = {n: (x[::2], _trapezoid(x[::2])) for n, (x, _) in rules.items()}
    other = norms_on_grid(e[tuple(slice(None, None, 2) for _ in rules)], coarse, time)
    return {n: v for n, v in found.items() if n == "sup" or abs(v - other[n]) <= 0.25 * v + floor}


def _trapezoid(x: np.ndarray) -> np.ndarray:
    w = np.zeros(len(x))
    w[:-1] += np.diff(x) / 2
    w[1:] += np.diff(x) / 2
    return w
