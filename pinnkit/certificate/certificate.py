"""The result of certify: bounds by norm with their theorems, at single points too, and the proof to check again."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from typing_extensions import override

from pinnkit.certificate.theorem.bound import Bound
from pinnkit.certificate.theorem.misfit import Norm
from pinnkit.certificate.theorem.proof import BarrierProof
from pinnkit.tools.checked import checked
from pinnkit.tools.labelled import ResultTable
from pinnkit.tools.renamed import renamed

from .corrected_solution import CorrectedSolution

if TYPE_CHECKING:
    from pinnkit.certificate.checker.check import CheckResult

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


@renamed(twin="corrected")
@checked
@dataclass(frozen=True)
class Certificate(ResultTable):
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
        corrected: the corrected solution that the other bounds go through. Default None: there is none.
        note: why there is none.
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
    corrected: CorrectedSolution | None = None
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
            "corrected": None if self.corrected is None else self.corrected.to_dict(), "note": self.note,
        }  # fmt: skip

    def pointwise(self, X: Tensor) -> tuple[Tensor, float]:
        """An estimate c - u of the error u* - u at points, with a radius r: |u* - c| <= r everywhere.

        Here c is the corrected solution, evaluated in floating point.

        Args:
            X: points (n, d), coordinates in the order of the domain.

        Returns:
            The estimate (n,), and the radius.

        Raises:
            ValueError: no corrected solution, or no bound of the largest error.
        """
        own = [] if self.corrected is None else [b.value for b in self.corrected.bounds if b.norm == "sup"]
        if self.corrected is None or not own:
            raise ValueError(f"{self.problem}: there is no bound at single points: {self.note or 'no sup bound'}")
        return self.corrected.moved(X), own[0]

    @property
    def proof(self) -> BarrierProof | None:
        """The barrier that bounds the largest error, its own or the corrected solution's; None where a theorem does."""
        return self._behind[0]

    @property
    def added(self) -> list[float]:
        """Numbers added to the proof's bound: jumps at periodic ends, and the distance to the corrected solution."""
        proof, apart, via = self._behind
        if proof is None:
            return []
        return [apart, self.corrected.distances["sup"]] if via and self.corrected is not None else [apart]

    @property
    def _behind(self) -> tuple[BarrierProof | None, float, bool]:
        """The proof, what is apart from it, and whether it is about the corrected solution."""
        kinds = [(self.direct, False), ((), True) if self.corrected is None else (self.corrected.bounds, True)]
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
        if via and self.corrected is not None:
            middle = self.corrected.moved(X).double().cpu()
        return middle + low - apart, middle + high + apart

    def verify(self) -> "CheckResult":
        """Check the proof of the bound of the largest error again, in exact rational arithmetic.

        The checker shares no code with the search for the proof, and needs python-flint: ``pip install
        'pinnkit[check]'``. It takes as given the enclosures of the residuals on cells (estimates, in a sampled
        certificate) and the distance to the corrected solution.

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
        if self.corrected is not None:
            found.append(("corrected solution", self.corrected.text))
        elif self.note:
            found.append(("corrected solution", f"none: {self.note}"))
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

    @override
    def emphasis(self, label: str, text: str) -> str:
        return "bold" if text.startswith("<=") else ""
