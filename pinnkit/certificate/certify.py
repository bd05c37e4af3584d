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
from pinnkit.statement.symbolic.reference import Axes
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
    """Upper bounds of the error |u - u*| of a solution, by norm, each from a theorem.

    In a norm that several theorems bound, the smallest bound counts.

    Args:
        problem: name of the problem.
        equation: kind of the equation.
        bounds: the bounds, with their theorem.
        misfits: norms of the residuals, by condition.
        evaluation: how the misfits were found, in words.
        rigorous: True: misfits were enclosed by interval arithmetic. False: they were sampled.
        errors: true errors in the same norms, where the problem has a reference.
        floors: by how much these may be wrong because the reference is.
        reference_error: relative L2 error of the reference. None without one.
        direct: the bounds that follow from ``misfits`` alone.
        twin: the corrected solution that the other bounds go through. Default None: there is none.
        note: why there is no twin.
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
        """Norms in which the true error exceeds its bound by more than the error of the reference; there should be
        none.
        """
        return [b.norm for b in self.bounds if self.errors.get(b.norm, 0.0) - self.floors.get(b.norm, 0.0) > b.value]

    def to_dict(self) -> dict[str, Any]:
        """All figures as plain numbers, texts, lists and dicts."""
        return {
            "problem": self.problem, "equation": self.equation,
            "bounds": [{"norm": b.norm, "value": b.value, "theorem": b.theorem} for b in self.bounds],
            "misfits": {name: n.to_dict() for name, n in self.misfits.items()}, "evaluation": self.evaluation,
            "rigorous": self.rigorous, "errors": dict(self.errors), "floors": dict(self.floors),
            "reference_error": self.reference_error, "direct": [b.to_dict() for b in self.direct],
            "twin": None if self.twin is None else self.twin.to_dict(), "note": self.note,
        }  # fmt: skip

    def pointwise(self, X: Tensor) -> tuple[Tensor, float]:
        """An estimate c - u of the error u* - u at points, with a radius r: |u* - c| <= r everywhere.

        Here c is the corrected twin, evaluated in floating point.

        Args:
            X: points (n, d), coordinates in the order of the domain.

        Returns:
            The estimate (n,), and the radius.

        Raises:
            ValueError: no twin, or no bound of the largest error.
        """
        own = [] if self.twin is None else [b.value for b in self.twin.bounds if b.norm == "sup"]
        if self.twin is None or not own:
            raise ValueError(f"{self.problem}: there is no bound at single points: {self.note or 'no sup bound'}")
        return self.twin.moved(X), own[0]

    @property
    def proof(self) -> BarrierProof | None:
        """The barrier that bounds the largest error of the solution or its twin; None where another theorem does."""
        return self._behind[0]

    @property
    def added(self) -> list[float]:
        """Numbers added to the bound of the proof: jumps at periodic ends, and the distance to a twin."""
        proof, apart, twin = self._behind
        if proof is None:
            return []
        return [apart, self.twin.distances["sup"]] if twin and self.twin is not None else [apart]

    @property
    def _behind(self) -> tuple[BarrierProof | None, float, bool]:
        """The proof, what is apart from it, and whether it is about the twin."""
        kinds = [(self.direct, False), ((), True) if self.twin is None else (self.twin.bounds, True)]
        found = {via: b for own, via in kinds for b in own if b.norm == "sup" and b.proof is not None}
        via = True in found and (False not in found or self["sup"] < found[False].value)
        return (found[via].proof, found[via].apart, via) if via in found else (None, 0.0, False)

    def at(self, X: Tensor) -> tuple[Tensor, Tensor]:
        """Bounds low <= u* - u <= high at points, by the barrier, which varies in space.

        They hold as the certificate does, up to rounding in the evaluation (1e-14 of their size).

        Args:
            X: points (n, d), coordinates in the order of the domain.

        Returns:
            low and high, (n,) each.

        Raises:
            ValueError: another theorem bounds the largest error; :meth:`pointwise` may know more.
        """
        proof, apart, via = self._behind
        if proof is None:
            raise ValueError(f"{self.problem}: its bound does not vary over the domain (no barrier was found for it)")
        from pinnkit.certificate.barrier.barrier import range_of  # slow to import

        low, high = (torch.as_tensor(v) for v in range_of(proof, X.double().cpu().numpy()))
        middle = torch.zeros_like(low)
        if via and self.twin is not None:
            middle = self.twin.moved(X).double().cpu()
        return middle + low - apart, middle + high + apart

    def verify(self) -> "Checked":
        """Check the proof of the bound of the largest error again, in exact rational arithmetic.

        The checker shares no code with the search for the proof, and needs python-flint: ``pip install
        'pinnkit[check]'``. It takes as given the enclosures of the residuals on cells (estimates, in a sampled
        certificate) and the distance to a twin.

        Returns:
            What was checked, and whether it holds.

        Raises:
            ValueError: another theorem bounds the largest error, and no proof is kept.
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
        """The style of a row: bounds stand out.

        Args:
            label: label of the row.
            text: text of the row.

        Returns:
            Name of the style.
        """
        return "bold" if text.startswith("<=") else ""


@checked
def certify(
    solution: Solution, enclosed: bool = False, slopes: bool = False, twin: Solution | bool = True
) -> Certificate:
    """Bound the error |u - u*| of a solution by a theorem about its equation, from the norms of its residuals.

    Theorems: comparison with a supersolution (parabolic and elliptic equations of second order); maximum principles; L2
    bounds by transposition (heat, wave, telegraph, Klein-Gordon, Laplace, Helmholtz away from resonance); energy (beam,
    advection, linear KdV, slopes of waves); contraction in L1 and the Cole-Hopf map (Burgers). Their assumptions stand
    in the modules ``pinnkit.certificate.theorem``.

    Data must be given in closed form. Bounds hold for weights and amplitudes as exact numbers. Rounding in the
    evaluation (about 1e-15 of the terms of a network) is not in the bound.

    Args:
        solution: a trained solution.
        enclosed: True: residuals are enclosed rigorously, by interval arithmetic (superpositions of exact solutions in
            one or two space dimensions) or Taylor models (an MLP of up to three coordinates). Default False: residuals
            are sampled at many points, which is quick but no proof.
        slopes: True: bound derivatives of the error too, where an energy gives them. It needs data that neither jump
            nor disagree at corners. Default False.
        twin: the bound through a corrected twin c, |u* - u| <= |c - u| + |u* - c|. True (default): c is made by
            :func:`correct`. A solution: that one is c. False: none.

    Returns:
        The bounds by norm, which print themselves.

    Raises:
        ValueError: no theorem covers the equation, domain, condition or solution (the reason is given), or a twin of
            another problem or outside the tangent space of the solution.

    Example:
        >>> import pinnkit as pk
        >>> u = pk.solve(pk.problem("heat"), pk.MLP(2, 8, 1), 100, stages=[pk.LevenbergMarquardt(20)], progress=False)
        >>> pk.certify(u, twin=False).violations
        []
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
        _, predicted, values = _on_its_grid(solution)
        found, size = ({"sup": float(np.nanmax(np.abs(a)))} for a in (predicted - values, values))
    else:
        if callable(reference):
            X, _, rules = grid(box, {})
            shape = [len(x) for x, _ in rules.values()]
            values = reference(X)[:, 0].double().numpy().reshape(shape)
            predicted = solution(X.to(solution.theta))[:, 0].cpu().double().numpy().reshape(shape)
        else:
            axes, predicted, values = _on_its_grid(solution)
            rules = {n: (x, _trapezoid(x)) for n, x in axes.items()}
        found, size = (norms_on_grid(a, rules, box.time) for a in (predicted - values, values))
        if callable(reference):
            for norm, (wrong, whole) in slope_norms(solution, norms, X, rules).items():
                found[norm], size[norm] = wrong, whole
        else:
            found = _resolved(found, predicted - values, rules, box.time, reference.error * size["sup"])
    relative = reference.error + ROUNDING * torch.finfo(torch.float64).eps
    kept = [n for n in norms if n in found]
    return {n: found[n] for n in kept}, {n: relative * size[n] for n in kept}


def _on_its_grid(solution: Solution) -> tuple[Axes, np.ndarray, np.ndarray]:
    """Axes of the reference's grid, and there the field and its reference."""
    axes, predicted, values = solution.on_grid()
    assert values is not None  # there is a reference
    return axes, predicted[..., 0].numpy(), values[..., 0].numpy()


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
