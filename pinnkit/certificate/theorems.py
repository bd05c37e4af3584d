"""All theorems: which of them apply to a problem, and the weights of conditions that make its loss their bound."""

from collections.abc import Callable

from pinnkit.certificate.theorem import burgers, elliptic, energy, heat, wave
from pinnkit.certificate.theorem import energy_of_slopes as gradient
from pinnkit.certificate.theorem import maximum_principle as maximum
from pinnkit.certificate.theorem.bound import Theorem
from pinnkit.certificate.theorem.form import Form, form
from pinnkit.domain.box import face_of
from pinnkit.statement.problem import Problem
from pinnkit.statement.symbolic.boundary_conditions import Dirichlet
from pinnkit.statement.symbolic.conditions import Initial
from pinnkit.statement.well_posed import faces


def barrier(f: Form) -> Theorem | None:
    """The bound by a supersolution made for the problem."""
    from pinnkit.certificate.barrier.bounds import match  # slow to import: sparse matrices, linear programs

    return match(f)


Match = Callable[[Form], Theorem | None]  # what bounds the error of problems of this form; None for another form
THEOREMS: list[Match] = [
    maximum.parabolic, maximum.elliptic, barrier, heat.match, wave.match, elliptic.match,
    burgers.match,
]  # fmt: skip
KINDS = (
    "second order parabolic or elliptic equations, and with constant coefficients waves (telegraph, Klein-Gordon), and "
    "beams, advection and third order equations in one dimension; Burgers' equation"
)


def theorem(match: Match) -> Match:
    """A decorator: certificates try this theorem too. Its proof belongs in its docstring."""
    if match not in THEOREMS:
        THEOREMS.append(match)
    return match


def theorems(problem: Problem, slopes: bool = False) -> tuple[Form, list[Theorem]]:
    """The problem's form and the theorems that bound its error, with ``slopes`` that of its derivatives too.

    Raises:
        ValueError: where there is none, with the reasons.
    """
    try:
        f = form(problem)
    except ValueError as error:
        raise ValueError(f"{problem.name} has no certificate: {error}") from None
    found: list[Theorem] = []
    reasons: list[str] = []
    for match in (*THEOREMS, energy.match, gradient.match):
        if match in (energy.match, gradient.match) and found and not slopes:
            continue  # these need derivatives of what the walls miss, the others do not
        try:
            bound = match(f)
        except ValueError as error:
            reasons.append(str(error))
            continue
        if bound is not None:
            found.append(bound)
    if not found:
        why = "; ".join(dict.fromkeys(reasons)) or f"the theorems are for {KINDS}"
        raise ValueError(f"{problem.name} has no certificate: {why}")
    return f, found


def weights(problem: Problem) -> dict[str, float]:
    """Weights of the conditions' mean squares, so that each is the square of its term in the bound of the L2(Q) norm.

    The bound is then at most sqrt(number of terms * loss). Empty where no such theorem applies.
    """
    try:
        f = form(problem)
        kind = next((k for k in (heat, wave) if k.match(f) is not None), None)
    except ValueError:
        kind = None
    if kind is None:
        return {}
    box = problem.domain
    found: dict[str, float] = {}
    lengths = dict(zip(box.space, range(len(f.sides)), strict=True))
    for c in problem.conditions:
        if isinstance(c, Initial):
            found[c.name] = f.volume * kind.initial_weight(f, c.order)
        elif isinstance(c, Dirichlet):
            on = [lengths[face_of(box, face).coordinate] for face in faces(problem, c)]
            found[c.name] = max(kind.wall_weight(f, i) for i in on) * box.measure(c.on)
    return found
