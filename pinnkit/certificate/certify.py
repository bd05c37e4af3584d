"""certify(): an upper bound of a solution's error, with its theorem and how it was evaluated."""

import math
from dataclasses import replace

import sympy as sp

from pinnkit.certificate.misfits.enclosed import EnclosedMisfits
from pinnkit.certificate.misfits.sampled import SampledMisfits
from pinnkit.certificate.theorem.bound import Bound, Theorem
from pinnkit.certificate.theorem.closed_form import ENCLOSURES
from pinnkit.certificate.theorem.form import Form
from pinnkit.certificate.theorem.misfit import Misfits
from pinnkit.model.solution import Solution
from pinnkit.tools.checked import NotNegative, checked
from pinnkit.tools.deadline import OutOfTime, turn, within
from pinnkit.tools.progress import stage, working
from pinnkit.tools.renamed import renamed

from .certificate import MEANING, Certificate
from .corrected_solution import CorrectedSolution, correction_of, distances, seen
from .theorems import theorems
from .true_errors import true_errors

CONSTANTS = 1 + 1e-9  # the theorems' constants are not rounded outwards: rigorous bounds are made larger by this
TIGHT = 1.1  # a bound of the largest error that is so little above what it is at least needs no correction
AS_GOOD = 1e-6  # by how much more, relatively, a bound may be that can be checked again


@renamed(twin="corrected")
@checked
def certify(
    solution: Solution,
    enclosed: bool = False,
    slopes: bool = False,
    corrected: Solution | bool = True,
    time_limit: NotNegative | None = None,
    progress: bool | None = None,
) -> Certificate:
    """Bound the error |u - u*| of a solution by a theorem about its equation, from the norms of its residuals.

    Theorems: comparison with a supersolution (parabolic and elliptic equations of second order); maximum principles; L2
    bounds by transposition (heat, wave, telegraph, Klein-Gordon, Laplace, Helmholtz away from resonance); energy (beam,
    advection, linear KdV, slopes of waves); contraction in L1 and the Cole-Hopf map (Burgers). Their assumptions stand
    in the modules ``pinnkit.certificate.theorem``.

    Data must be given in closed form. Bounds hold for weights and amplitudes as exact numbers; of an enclosed network,
    twice the rounding of its values that is seen at some points is added. Where constants are, enclosed bounds of
    linear equations go through a spline that nearly is the error (``misfits.spline_correction``).

    Args:
        solution: a trained solution.
        enclosed: True: residuals are enclosed rigorously, by interval arithmetic (superpositions of exact solutions in
            one or two space dimensions) or Taylor models (an MLP of up to three coordinates). Default False: residuals
            are sampled at many points, which is quick but no proof.
        slopes: True: bound derivatives of the error too, where an energy gives them. It needs data that neither jump
            nor disagree at corners. Default False.
        corrected: the corrected solution c through which the error is bounded as well, |u* - u| <= |c - u| + |u* - c|.
            True (default): c is made by :func:`correct`. A solution: that one is c. False: none.
        time_limit: seconds of wall time after which no better bound is looked for. Default None: no limit.
        progress: what is shown of where the work is. Default None: a bar in a terminal, nothing elsewhere; True: lines
            there; False: nothing.

    Returns:
        The bounds by norm, which print themselves.

    Raises:
        ValueError: no theorem covers the equation, domain, condition or solution (the reason is given), ``corrected``
            is of another problem or outside the tangent space of the solution, or no bound within the time limit.

    Example:
        >>> import pinnkit as pk
        >>> u = pk.solve(pk.problem("heat"), pk.MLP(2, 8, 1), 100, stages=[pk.LevenbergMarquardt(20)], progress=False)
        >>> pk.certify(u, corrected=False).violations
        []
    """
    with within(time_limit), working(f"certify {solution.problem.name}", progress):
        try:
            return _certified(solution, enclosed, slopes, corrected)
        except OutOfTime:
            cheaper = "give it more, or sample with enclosed=False" if enclosed else "give it more"
            raise ValueError(
                f"{solution.problem.name}: no bound was found within time_limit={time_limit:g} s: {cheaper}"
            ) from None


def _certified(solution: Solution, enclosed: bool, slopes: bool, corrected: Solution | bool) -> Certificate:
    problem = solution.problem
    f, known = theorems(problem, slopes)
    direct, misfits, scale = _direct(solution, f, known, enclosed)
    better, tight = _moved(known, misfits, direct)
    best, other, note = _least(direct, better), None, ""
    if corrected is True and tight:
        note = "its own bound is tight"
    elif corrected is not False:
        try:
            turn()
            c = correction_of(solution) if corrected is True else corrected
            other = _through(solution, c, f, known, enclosed, scale)
        except ValueError as error:
            if corrected is not True:
                raise
            note = str(error)
        except OutOfTime:
            note = "the time limit ended the search for better bounds"
    if other is not None:
        through = {b.norm: other.through(b.norm) for b in other.bounds if b.norm in other.distances}
        best = _least(best, through)
    order = [norm for norm in MEANING if norm in best]
    errors, floors = true_errors(solution, order)
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
    stage("what is missed")
    sampled = SampledMisfits(solution, f)
    misfits = _enclosed(solution, f, sampled.scale) if enclosed else sampled
    misfits.apart("sup")  # what every bound needs is found first, while there is time
    best = _best(known, misfits)
    if enclosed:
        apart = {norm: misfits.apart(norm) * CONSTANTS for norm in best}
        best = {n: replace(b, value=b.value * CONSTANTS + apart[n], apart=apart[n]) for n, b in best.items()}
    return best, misfits, sampled.scale


def _moved(known: list[Theorem], misfits: Misfits, direct: dict[str, Bound]) -> tuple[dict[str, Bound], bool]:
    """Bounds through a spline that nearly is the error, and whether no bound can be much better than the best."""
    found: dict[str, Bound] = {}
    if isinstance(misfits, EnclosedMisfits) and not all(b.proof is not None for b in direct.values()):
        from pinnkit.certificate.misfits.spline_correction import moved_bounds  # slow to import

        found = moved_bounds(known, misfits)
        found = {n: replace(b, value=b.value * CONSTANTS, apart=b.apart * CONSTANTS) for n, b in found.items()}
    own = direct.get("sup")
    if own is not None and own.least > 0:
        return found, own.value <= TIGHT * own.least
    return found, bool(found) and all(n in found and found[n].value <= TIGHT * found[n].apart for n in direct)


def _least(one: dict[str, Bound], other: dict[str, Bound]) -> dict[str, Bound]:
    """The lesser bound of every norm that the first has."""
    return {n: min((found[n] for found in (one, other) if n in found), key=lambda b: b.value) for n in one}


def _through(
    solution: Solution, corrected: Solution, f: Form, known: list[Theorem], enclosed: bool, scale: float
) -> CorrectedSolution:
    """The corrected solution with its own bounds and its distance from the solution."""
    stage("the corrected solution")
    if corrected.problem is not solution.problem:
        raise ValueError("the corrected solution is of another problem: take pk.correct(solution)")
    turn()
    bounds, misfits, _ = _direct(corrected, f, known, enclosed)
    bounds = _least(bounds, _moved(known, misfits, bounds)[0])
    apart = distances(solution, corrected, bounds, scale) if enclosed else seen(solution, corrected, bounds)
    apart = {norm: value * CONSTANTS for norm, value in apart.items()}
    return CorrectedSolution(solution, corrected, apart, tuple(bounds.values()), misfits.named(), misfits.evaluation)


def _enclosed(solution: Solution, f: Form, scale: float) -> Misfits:
    return ENCLOSURES.get(type(solution.network), EnclosedMisfits)(solution, f, scale)


def _best(known: list[Theorem], misfits: Misfits) -> dict[str, Bound]:
    """The least bound in every norm, of the theorems whose misfits can be had; of equal ones that with a proof."""
    best: dict[str, Bound] = {}
    reasons = []
    for theorem in known:
        try:
            turn()
            found = theorem(misfits)
        except OutOfTime:
            if not best:
                raise
            break
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
