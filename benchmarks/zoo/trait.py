"""Traits: single numbers of a trained model that may tell a good one from a bad one, and how they are measured."""

import math
import time
from collections.abc import Collection
from dataclasses import dataclass

import torch
from torch import Tensor

from pinnkit.error.estimator import error_map
from pinnkit.influence import indicator
from pinnkit.influence.green_function import response, uptake
from pinnkit.influence.indicators import FORCED, Indicators, indicators, together
from pinnkit.influence.influence import Influence
from pinnkit.model.quantity.field import Field
from pinnkit.model.quantity.loss import test_loss
from pinnkit.model.solution import Solution
from pinnkit.statement.points import sample

from .specimen import Specimen

PUBLISHED, OURS, PLAIN = "published", "pinnkit", "no influence"


@dataclass(frozen=True)
class Trait:
    """What is measured: its name, who proposed it, how it is defined, whether it spans decades."""

    name: str
    kind: str
    formula: str
    decades: bool = False


# Effects E_ij are those of leaving out training point j on u at test point i; means are over i.
TRAITS: tuple[Trait, ...] = (
    Trait("directionality", PUBLISHED, "share of |E_ij| from smaller t, x or radius"),
    Trait("directionality above equal influence", PUBLISHED, "the same, less its value for equal |E_ij|"),
    Trait("region fraction", PUBLISHED, "share of |E_ij| from where the data enter, over the points' share", True),
    Trait("proximity above equal influence", PUBLISHED, "mean of exp(-d_ij / 2) by |E_ij|, less that for equal |E_ij|"),
    Trait("share of the conditions", PUBLISHED, "sum of |E_ij| through conditions over that through all loss terms"),
    Trait("cancellation", PUBLISHED, "1 - |sum of E| / sum of |E| over the terms of a point"),
    Trait("self-influence", PUBLISHED, "sum_j a r^2 h over the loss"),
    Trait("outside the domain of dependence", OURS, "share of |E_ij| from there, over that for equal |E_ij|"),
    Trait("reciprocity of the response", OURS, "sum K_kl K_lk / sum K_kl^2 of the response to sources, k != l"),
    Trait("directionality of the response", OURS, "share of |K_kl| from smaller t, x or radius"),
    Trait("uptake of sources", OURS, "90 % quantile over places: far above 1 where no points hold a source", True),
    Trait("participation", OURS, "(sum_j |E_ij|)^2 / (N sum_j E_ij^2)"),
    Trait("tension between terms", OURS, "sum over terms of |sum_j E_ij|, over sum |E_ij|"),
    Trait("helpfulness", OURS, "sum_j E_j / sum_j |E_j| of the effects on the loss on fresh points"),
    Trait("mean leverage", OURS, "mean of h_j"),
    Trait("rows of high leverage", OURS, f"part of rows with h_j > {FORCED}"),
    Trait("residuals left out / fitted", OURS, "90 % quantile of |r| / (1 - h) over that of |r|", True),
    Trait("gain of a Newton step", OURS, "part of the loss that a damped Gauss-Newton step would take away"),
    Trait("jackknife spread", OURS, "rms over i of (sum_j E_ij^2)^1/2 with leverage, over rms of u", True),
    Trait("estimated error", OURS, "relative L2 of pk.error_map, which knows no reference", True),
    Trait("alarm of the error map", OURS, "1 if that is above 1 % or not trusted, else 0"),
    Trait("loss", PLAIN, "on the training points", True),
    Trait("fresh loss", PLAIN, "on points never trained on", True),
    Trait("fresh loss / loss", PLAIN, "the generalisation gap", True),
)  # fmt: skip
FRESH = 2000  # interior points never trained on
TOLERABLE = 0.01  # the relative error from which a model is called bad
ERROR = "true error"  # relative L2 by the reference, beside the traits
NAMES = tuple(trait.name for trait in TRAITS)


def measure(solution: Solution, specimen: Specimen, *, points: int = 500, seed: int = 12345) -> dict[str, float]:
    """All traits of a model, NaN where one is not defined, its true error and the CPU seconds that they took.

    The same test points (interior, quasi-random), Gauss-Newton curvature and choice of damping (generalised
    cross-validation) hold for every model of a problem.
    """
    began, problem, u = time.process_time(), solution.problem, solution.problem.field_names[0]
    influence = Influence(solution, "gauss-newton")
    X = problem.sample("pde", points, seed=seed).X
    known = indicators(influence, u, X, along=specimen.along)
    found = _of_summary(known, problem.equations) | _of_origin(influence, u, X, specimen) | _of_rows(influence, known)
    found |= _of_response(influence, specimen)
    found["helpfulness"] = _helpfulness(influence, seed + 1)
    found |= _of_loss(solution, seed + 2) | _of_error(solution, u)
    found["jackknife spread"] = jackknife_spread(influence, u, X)
    found[ERROR] = _true_error(solution, specimen)
    return {name: float(found[name]) for name in (*NAMES, ERROR)} | {"cpu_s": time.process_time() - began}


def jackknife_spread(influence: Influence, expression: str, X: Tensor) -> float:
    """rms over points X (K, d) of the jackknife's standard error of u, (sum_j E_ij^2)^1/2, over the rms of u.

    E_ij is what leaving out training point j does to u(x_i) (all its terms, with leverage), so that this estimates how
    far another draw of the points would move the model (Quenouille 1949, Tukey 1958; Jaeckel 1972 by influence).
    """
    found = influence.attribute(Field(expression, X))
    square = sum(e.square().sum(1) for e in found.joint.values())
    return float(square.mean().sqrt() / found.values.square().mean().sqrt())


def _of_summary(known: Indicators, equations: Collection[str]) -> dict[str, float]:
    """Means over the test points of the indicators that are not asked about a region."""
    conditions = [v for name, v in known.terms.items() if name not in equations]
    several = [float(v.nanmean()) for v in known.cancellation.values()]
    return {
        "directionality": known.directionality.nanmean(),
        "directionality above equal influence": (known.directionality - known.directionality_baseline).nanmean(),
        "proximity above equal influence": (known.proximity - known.proximity_baseline).nanmean(),
        "participation": known.participation.nanmean(),
        "share of the conditions": sum(conditions).nanmean() if conditions else math.nan,
        "tension between terms": known.tension.nanmean() if len(known.terms) > 1 else math.nan,
        "cancellation": sum(several) / len(several) if several else math.nan,
    }


def _of_origin(influence: Influence, u: str, X: Tensor, specimen: Specimen) -> dict[str, float]:
    """From where influence comes, over what equal influence would give: 1 says that the place does not matter."""
    E, Z = together(influence.attribute(Field(u, X), correct=False))
    inside = specimen.source(Z)
    found = {"region fraction": indicator.region_fraction(E, inside).nanmean() / inside.to(Z).mean()}
    outside = None
    if specimen.cause is not None:
        outside = ~specimen.cause(X, Z)
    elif influence.solution.problem.domain.time is not None:
        outside = ~indicator.before(X[:, -1], Z[:, -1])
    found["outside the domain of dependence"] = (
        math.nan if outside is None else indicator.share(E, outside).nanmean() / outside.to(Z).mean()
    )
    return found


def _of_response(influence: Influence, specimen: Specimen) -> dict[str, float]:
    """What the equation does that the model has learned: whether sources act both ways, and whether they are held."""
    found = response(influence)
    return {
        "reciprocity of the response": found.reciprocity,
        "directionality of the response": found.directionality(specimen.along),
        "uptake of sources": uptake(influence).quantile(0.9),
    }


def _of_rows(influence: Influence, known: Indicators) -> dict[str, float]:
    """What the rows' leverage and the distance from a minimum say."""
    h = torch.cat(list(known.leverage.values()))
    own = torch.cat(list(influence.self_influence().values()))
    return {
        "mean leverage": h.mean(),
        "rows of high leverage": (h > FORCED).double().mean(),
        "residuals left out / fitted": known.left_out,
        "gain of a Newton step": known.stationarity.gain,
        "self-influence": own.sum() / max(known.stationarity.loss, 1e-300),
    }


def _helpfulness(influence: Influence, seed: int) -> Tensor:
    """1 if every training point, left out, would raise the loss on fresh points, -1 if every one would lower it."""
    found = influence.attribute(test_loss(influence.solution.problem, FRESH, seed=seed), correct=False)
    E = torch.cat([e[0] for e in found.joint.values()])
    return E.sum() / E.abs().sum()


def _of_loss(solution: Solution, seed: int) -> dict[str, float]:
    """The loss on the training points and on fresh ones."""
    fresh = sample(solution.problem, FRESH, seed=seed)
    loss = float(solution.stack.losses(solution.theta).sum())
    off = float(solution.model.stack(fresh, solution.weights).losses(solution.theta).sum())
    return {"loss": loss, "fresh loss": off, "fresh loss / loss": off / max(loss, 1e-300)}


def _of_error(solution: Solution, u: str) -> dict[str, float]:
    """What the error map says, which knows no reference."""
    found = error_map(solution)
    size = found.relative_l2[u]
    return {"estimated error": size, "alarm of the error map": size > TOLERABLE or not found.trusted}


def _true_error(solution: Solution, specimen: Specimen) -> float:
    """Relative L2 error of the first field by the reference of the good model's problem, whatever was solved."""
    problem, reference = solution.problem, specimen.state(next(iter(specimen.variants))).reference
    if reference is None:
        return math.nan
    _, X, mask, values = reference.on_grid(problem.domain, problem.field_names)
    u, exact = solution(X[mask])[:, 0].cpu().double(), values[mask][:, 0]
    return float((u - exact).norm() / exact.norm())
