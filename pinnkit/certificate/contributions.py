"""What every misfit by itself makes of a certificate's bounds: the theorems again, with norms that are known."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pinnkit.certificate.misfits.norms import MisfitNorms, label
from pinnkit.certificate.theorem.bound import Bound
from pinnkit.certificate.theorem.misfit import Norm
from pinnkit.domain.box import Box
from pinnkit.model.solution import Solution
from pinnkit.statement.symbolic.conditions import Condition, Periodic
from pinnkit.statement.symbolic.place import INTERIOR
from pinnkit.statement.symbolic.residual import Residual

from .certificate import Certificate
from .theorems import theorems

Part = tuple[Residual, tuple[str, ...], dict[str, float]]  # a residual, its derivative, the coordinates that are fixed


@dataclass(eq=False)
class RecordedNorms(MisfitNorms):
    """The norms of a certificate: all of them, or 0 but for the one of that name.

    ``parts`` are the misfits that were asked for, by name.
    """

    norms: Mapping[str, Norm]
    only: str | None = None
    parts: dict[str, Part] = field(default_factory=dict)

    def initial(self, order: int = 0, by: tuple[str, ...] = ()) -> Norm:
        """Of an initial condition."""
        if isinstance(self.solution.problem.domain, Box):
            return super().initial(order, by)
        return self._norm(self._initial(order), by, {})

    def wall(self, condition: Condition, face: str, by: tuple[str, ...] = ()) -> Norm:
        """Of a boundary condition."""
        domain = self.solution.problem.domain
        if isinstance(domain, Box):
            return super().wall(condition, face, by)
        (r,) = condition.residuals(domain)
        return self._norm(r, by, {})

    def residual(self) -> Norm:
        """Of the equation."""
        ((name, e),) = self.solution.problem.everywhere("certificates do").items()
        if name not in self.norms:
            return Norm()
        return self._norm(Residual(name, e / self.form.lead, INTERIOR), (), {})

    def size(self, by: tuple[str, ...] = ()) -> Norm:
        """Of the solution, which is no misfit: always what it is."""
        return self._found(label("u", by, {}, self.solution.problem.domain))

    def periodic(self, condition: Periodic) -> None:
        """It held when the certificate was made."""

    def _norm(self, residual: Residual, by: tuple[str, ...], fixed: dict[str, float]) -> Norm:
        norm = self._made(residual, by, fixed)
        name = label(residual.name, by, fixed, self.solution.problem.domain)
        self.parts[name] = residual, by, fixed
        return norm if self.only in (None, name) else Norm()

    def _made(self, residual: Residual, by: tuple[str, ...], fixed: dict[str, float]) -> Norm:
        return self._found(label(residual.name, by, fixed, self.solution.problem.domain))

    def _found(self, name: str) -> Norm:
        if name not in self.norms:
            raise ValueError(f"the certificate holds no norm of {name!r}")
        return self.norms[name]


def contributions(solution: Solution, found: Certificate) -> tuple[dict[str, dict[str, float]], dict[str, Part]]:
    """By norm and misfit the direct bound that this misfit would give alone, and the misfits themselves by name.

    Bounds of L2 norms are at most the sums of these, bounds of maxima by a maximum principle often their largest.

    Raises:
        ValueError: a certificate of another problem.
    """
    if found.problem != solution.problem.name:
        raise ValueError(
            f"the certificate is of {found.problem}, expected one of {solution.problem.name}: give its own"
        )
    form, known = theorems(solution.problem, slopes=True)
    whole = RecordedNorms(solution, form, found.misfits)
    used = []
    for theorem in known:
        try:
            bounds = theorem(whole)
        except ValueError:
            continue  # so it was when the certificate was made: it needs what that could not find
        if any((b.norm, b.theorem) == (given.norm, given.theorem) for b in bounds for given in found.direct):
            used.append(theorem)
    by_norm: dict[str, dict[str, float]] = {b.norm: {} for b in found.direct}
    for name in whole.parts:
        alone = RecordedNorms(solution, form, found.misfits, name)
        own = [b for theorem in used for b in theorem(alone)]
        for b in found.direct:
            by_norm[b.norm][name] = _alone(b, own)
    return by_norm, whole.parts


def _alone(whole: Bound, own: list[Bound]) -> float:
    """A misfit's own bound by the same theorem; without the other misfits another may hold, which can be sharper."""
    same = [b.value for b in own if (b.norm, b.theorem) == (whole.norm, whole.theorem)]
    return same[0] if same else min([whole.value, *(b.value for b in own if b.norm == whole.norm)])
