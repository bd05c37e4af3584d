"""How sure is an identified coefficient: error bars by the noise of measurements, and what training left undone."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pinnkit.model.quantity.base import Functional, several
from pinnkit.model.quantity.unknown import Unknown
from pinnkit.model.solution import Solution
from pinnkit.model.stack import Stack
from pinnkit.statement.points import counts_of
from pinnkit.statement.symbolic.observations import Observations
from pinnkit.tools.checked import Count, NotNegative, Positive, Whole, checked
from pinnkit.tools.damped_solve import Primal

from .error_bars import HELD, Uncertainty
from .noise import NoiseAnalysis, judged
from .tangent_space import TangentSpace
from .whiteness import StandardisedResiduals

LARGEST = 6000  # parameters for which the rows are factored
ROWS = 4  # rows of the equations for every parameter
DAMPING, FAR = 1e-20, 1e4  # of the trace of J^T A J; by how much it is raised to see what depends on it
HEAVY = 10.0  # by how much the equations' weights are multiplied and divided to see the same
MANY = 4  # functionals, of which each may have noise where it is sensitive
STEPS = 4  # linearisations, at most
FOLLOWED = 0.05  # share of a pattern of noise that the fit follows, from which on that pattern is not looked at
SETTLED = 0.05  # a step that is smaller than so many standard deviations ends them


@checked
def uncertainty(
    solution: Solution,
    of: Functional | Sequence[Functional] | None = None,
    noise: NotNegative | Mapping[str, NotNegative] | None = None,
    n: Count | None = None,
    seed: Whole = 0,
    damping: Positive | None = None,
) -> Uncertainty:
    """Error bars of unknown coefficients or other numbers f: cov = sum sigma^2 S^T J_y^T A_y^2 J_y S with S = C^-1
    df^T.

    Here C = J^T A J + damping, and y = u + sigma noise are the measurements. This is the Gauss-Newton covariance
    sigma^2 (J_y^T J_y)^-1 within what the equations allow. Residuals of equations count as no noise. Where the
    residuals of the measurements are not white (an offset, correlated neighbours, a size that varies), a covariance is
    used that does not need white noise, and ``notes`` say so.

    What training has left undone is corrected by Gauss-Newton steps on all measurements and fresh points. If the model
    is too small to meet equations and measurements, the sensitivity shows it but need not contain all of it. Cost:
    factorisations of (6 P, P) matrices, 25 s of CPU for 1900 parameters and 10 000 measurements.

    Args:
        solution: a trained solution of a problem with :class:`Observations`.
        of: functionals (:func:`at`, :class:`Unknown`, ...). Default None: all unknown coefficients.
        noise: standard deviation sigma of the measurements, for all or by term. Default None: estimated from the
            misfit.
        n: number of fresh interior points. Default None: 4 rows a parameter.
        seed: seed of the points.
        damping: a positive ridge. Default None: chosen from the rounding of the rows.

    Returns:
        Values, corrected values, covariance and sensitivity, which print themselves.

    Raises:
        ValueError: no measurements, no unknown coefficient and no ``of``, more than 6000 parameters, a noise, n or
            damping out of range, measurements that the model can all fit, so that their noise cannot be estimated.

    Source:
        Huber (1967); Seber, Wild, Nonlinear Regression (1989), section 2.1.

    Example:
        >>> import pinnkit as pk
        >>> problem, stages = pk.problem("heat_inverse"), [pk.LevenbergMarquardt(20)]
        >>> u = pk.solve(problem, pk.MLP(2, 8, 1), 100, stages=stages, progress=False)
        >>> pk.uncertainty(u, n=100).interval().shape[1]
        2
    """
    began = time.process_time()
    problem = solution.problem
    if of is None and not problem.unknowns:
        raise ValueError(f"{problem.name} has no unknown coefficients: say what of, such as pinnkit.at('u', x=0.2)")
    functional = several([Unknown(name) for name in problem.unknowns] if of is None else of)
    if len(solution.theta) > LARGEST:
        raise ValueError(
            f"{len(solution.theta)} parameters are too many to factor, {LARGEST} are not: train a smaller network"
        )
    if n is not None and n < 1:
        raise ValueError(f"n={n}: give the number of fresh interior points, at least 1, or None")
    if damping is not None and not 0 < damping < math.inf:
        raise ValueError(f"damping={damping!r}: give a positive number or None")
    rows = _Rows(solution, n, seed)
    known = _given(noise, rows.terms)
    return _solved(rows, functional, known, damping, began)


def _given(noise: float | Mapping[str, float] | None, terms: Sequence[str]) -> dict[str, float] | None:
    """The standard deviations of the measurements by term, or None where they are to be estimated."""
    if noise is None:
        return None
    found = {name: noise for name in terms} if not isinstance(noise, Mapping) else dict(noise)
    if set(found) != set(terms) or not all(0 < float(s) < math.inf for s in found.values()):
        raise ValueError(
            f"noise={noise!r}: give one positive standard deviation, or one for each of {', '.join(terms)}"
        )
    return {name: float(found[name]) for name in terms}


class _Rows:
    """The rows of the function u + J_u d: those of the measurements, which stay, and those of the equations."""

    def __init__(self, solution: Solution, n: int | None, seed: int) -> None:
        problem, self.space = solution.problem, TangentSpace(solution)
        self.solution, theta = solution, self.space.theta
        names = [c.name for c in problem.conditions if isinstance(c, Observations)]
        if not names:
            raise ValueError(
                f"{problem.name} has no observations: without noise there are no error bars, see error_map"
            )
        keys = self.space.model.keys
        n = math.ceil(ROWS * len(theta) / len(problem.equations)) if n is None else n
        self.measured = {k: solution.points[k].to(theta) for k in keys if k in names}
        self.fresh = {
            key: problem.sample(key, count, seed=seed + i).to(theta)
            for i, (key, count) in enumerate(counts_of(keys, n, least=64).items()) if key not in names
        }  # fmt: skip
        self.terms = tuple(self.measured)
        self.zero = torch.zeros_like(theta)

    def factor(self, points: Mapping[str, Any], d: Tensor) -> tuple[Tensor, int]:
        """The triangular factor (., P + 1) of the weighted rows [J, r - J d] at d, and their number."""
        if not points:
            return d.new_zeros(0, len(d) + 1), 0
        stack, at = self.space.stack(points, d)
        root, waiting = stack.row_weights.sqrt(), []
        for numbers, r, J in stack.jacobian_blocks(at):
            waiting.append(torch.cat([J, (r - J @ d)[:, None]], 1) * root[numbers, None])
            if sum(map(len, waiting)) > 3 * len(d):
                waiting = [torch.linalg.qr(torch.cat(waiting), mode="r")[1]]
        return torch.linalg.qr(torch.cat(waiting), mode="r")[1], stack.rows

    def stack(self) -> tuple[Stack, Tensor]:
        """The rows of the measurements at u itself: they are linear in d where what is measured is linear in u."""
        return self.space.stack(self.measured, self.zero)

    def misfit(self, d: Tensor) -> dict[str, float]:
        """The root mean square of what u + J_u d leaves of the measurements, by term."""
        stack, at = self.space.stack(self.measured, d)
        return {name: float(r.square().mean().sqrt()) for name, r in stack.by_term(stack.values(at)).items()}


def _ridge(damping: float, *parts: Tensor) -> tuple[Primal, Tensor]:
    """The factor of C + damping I and the d (P,) that minimises |J d + r|^2 + damping |d|^2, from parts of [J, r]."""
    P = parts[0].shape[1] - 1
    prior = torch.cat([math.sqrt(damping) * torch.eye(P).to(parts[0]), parts[0].new_zeros(P, 1)], 1)
    Q = torch.linalg.qr(torch.cat([*parts, prior]), mode="r")[1]
    U, z = Q[:P, :P], Q[:P, P:]
    return Primal(U.T.contiguous(), damping), -torch.linalg.solve_triangular(U, z, upper=True)[:, 0]


def _solved(
    rows: _Rows, functional: Functional, known: dict[str, float] | None, damping: float | None, began: float
) -> Uncertainty:  # fmt: skip
    theta = rows.space.theta
    values, slopes = (a.to(theta) for a in functional.linearise(rows.solution))
    data, m = rows.factor(rows.measured, rows.zero)
    d, moved = rows.zero, torch.zeros_like(values)
    for step in range(STEPS):
        physics, count = rows.factor(rows.fresh, d)
        lam = damping or DAMPING * float(data[:, :-1].square().sum() + physics[:, :-1].square().sum())
        factor, new = _ridge(lam, data, physics)
        moved, d = (slopes @ (new - d)).abs() if step else moved, new
        S = factor.solve(slopes.T.contiguous())
        if step and not bool((moved > SETTLED * _covariance(rows, S, known or rows.misfit(d)).diagonal().sqrt()).any()):
            break
    grams = _grams(rows, factor)
    noise, freedom = (known, math.inf) if known else _noise(rows, grams, d)
    others = [_ridge(FAR * lam, data, physics), *(_ridge(lam, data, c**0.5 * physics) for c in (HEAVY, 1 / HEAVY))]
    changes = torch.stack([moved, *((slopes @ (other - d)).abs() for _, other in others)])
    white, found = _covariance(rows, S, noise), NoiseAnalysis()
    if min(noise.values()) > 0:
        response = _response(rows, S)
        readings = _readings(rows, factor, grams, d, noise, response, functional.names)
        found = judged(readings, torch.cat([noise[k] * b for k, b in response.items()], 1).cpu().numpy(), freedom)
    held = lam * S.square().sum(0) / (slopes.T * S).sum(0).clamp_min(1e-300)  # of f C^-1 f = S^T (J^T A J + lam) S
    return Uncertainty(
        functional.names, values, values + slopes @ d, white if found.covariance is None else found.covariance,
        changes.norm(dim=0), noise, freedom, lam, m + count, time.process_time() - began, white,
        found.freedom, found.bias, (*_free(functional.names, held), *found.notes), found.chance, held,
    )  # fmt: skip


def _free(names: Sequence[str], held: Tensor) -> tuple[str, ...]:
    """A note on the numbers that nothing determines."""
    free = [name for name, share in zip(names, held.tolist(), strict=True) if share > HELD]
    if not free:
        return ()
    together = ", or only a combination of them: fix all but one, or measure more" if free[1:] else ": measure more"
    return (f"equations and measurements do not determine {', '.join(free)}{together}",)


def _response(rows: _Rows, S: Tensor) -> dict[str, Tensor]:
    """S^T J_y^T A_y (K, n) by term: how far noise of 1 in every reading moves f."""
    stack, at = rows.stack()
    return stack.by_columns(torch.stack([stack.row_weights * stack.jvp(at, s) for s in S.T.contiguous()]))


def _covariance(rows: _Rows, S: Tensor, noise: Mapping[str, float]) -> Tensor:
    """The covariance (K, K) of S^T J_y^T A_y e for noise e of these standard deviations by term."""
    return sum((noise[name] ** 2 * (b @ b.T) for name, b in _response(rows, S).items()), torch.zeros(()))


@dataclass(frozen=True, eq=False)
class _Grams:
    """For E = J_y L^-T, L L^T = C: E^T E and E^T A^2 E (P, P) and tr H by term; E^T A E of all (P, P)."""

    first: Mapping[str, Tensor]
    second: Mapping[str, Tensor]
    traces: Mapping[str, float]
    total: Tensor


def _grams(rows: _Rows, factor: Primal) -> _Grams:
    stack, still = rows.stack()
    P, names = len(still), stack.terms
    term = torch.cat([torch.full((size,), i) for i, size in enumerate(stack.sizes.values())]).to(still.device)
    first, second = ({name: still.new_zeros(P, P) for name in names} for _ in range(2))
    traces, total = dict.fromkeys(names, 0.0), still.new_zeros(P, P)
    for numbers, _, J in stack.jacobian_blocks(still):
        name, a = names[int(term[numbers[0]])], stack.row_weights[numbers]
        E = factor.whiten(J)
        gram, alike = E.T @ E, bool((a == a[0]).all())
        first[name] += gram
        second[name] += a[0] ** 2 * gram if alike else E.T @ (E * (a * a)[:, None])
        total += a[0] * gram if alike else E.T @ (E * a[:, None])
        traces[name] += float((E.square().sum(1) * a).sum())
    return _Grams(first, second, traces, total)


def _noise(rows: _Rows, grams: _Grams, d: Tensor) -> tuple[dict[str, float], float]:
    """sigma by term from sum_l |delta_kl I - H_kl|^2 sigma_l^2 = E |r_k|^2, and the degrees of freedom."""
    from scipy.optimize import nnls

    sizes = rows.stack()[0].sizes
    first, second, names = grams.first, grams.second, tuple(sizes)
    T = torch.tensor([[float((first[k] * second[m]).sum()) for m in names] for k in names], dtype=torch.float64)
    for i, name in enumerate(names):
        T[i, i] += sizes[name] - 2 * grams.traces[name]
    freedom = float(T.sum())
    if not freedom >= 1 or bool((T.diagonal() < 1e-6).any()):
        raise ValueError(
            f"the model can fit all {sum(sizes.values())} measurements, so that their noise cannot be seen: give "
            "noise=..., a smaller network, or more weight to the equations"
        )
    left = [sizes[name] * sd**2 for name, sd in rows.misfit(d).items()]
    variances, _ = nnls(T.numpy(), torch.tensor(left, dtype=torch.float64).numpy())
    return {n: math.sqrt(v) for n, v in zip(names, variances.tolist(), strict=True)}, freedom


def _readings(
    rows: _Rows, factor: Primal, grams: _Grams, d: Tensor, noise: Mapping[str, float], response: Mapping[str, Tensor],
    names: Sequence[str],
) -> StandardisedResiduals:  # fmt: skip
    """The residuals of the measurements in units of their noise, and the directions in which the fit follows them."""
    stack, still = rows.stack()
    share, V = torch.linalg.eigh(grams.total)
    along = torch.linalg.solve_triangular(factor.L.T, V[:, share > FOLLOWED], upper=True).T.contiguous()  # V^T L^-1
    E = torch.stack([stack.jvp(still, v) for v in along]) if len(along) else still.new_zeros(0, stack.rows)
    moved, at = rows.space.stack(rows.measured, d)
    misfit = moved.by_term(moved.values(at))
    values = {name: rows.measured[name].columns[f"{name}_value"] for name in misfit}

    def scaled(parts: Mapping[str, Tensor]) -> Any:
        """(n, .) for what is (., n) by term, in units of the noise."""
        return torch.cat([part / noise[name] for name, part in parts.items()], -1).cpu().numpy().T

    X = torch.cat([rows.measured[name].X for name in misfit]).cpu().numpy()
    term = torch.cat([torch.full((len(r),), i) for i, r in enumerate(misfit.values())]).numpy()
    fitted = torch.cat([values[name] + r for name, r in misfit.items()]).cpu().numpy()
    sizes = {"the value": fitted, "the size of the value": abs(fitted)}
    slopes = torch.cat(list(response.values()), 1).cpu().numpy()
    if len(names) > MANY:  # of many functionals one pattern, not as many chances
        names, slopes = ("all that is asked",), (slopes**2).mean(0, keepdims=True) ** 0.5
    sizes |= {f"the sensitivity of {name}": abs(row) for name, row in zip(names, slopes, strict=True)}
    extent = X.max(0) - X.min(0)
    X = (X - X.min(0)) / (extent + (extent == 0))
    return StandardisedResiduals(
        tuple(misfit), rows.solution.problem.domain.names, term, X, -scaled(misfit), scaled(stack.by_columns(E)), sizes
    )
