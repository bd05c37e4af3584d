"""The zoo's page: the answer, all indicators side by side and what each teaches, the models, effect sizes."""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from .effect import BROKEN, Outcome, misplaced, outcomes
from .runs import Traits
from .specimen import KINDS, ZOO
from .trait import ERROR, TOLERABLE

Bearing = Callable[[Outcome], bool]


def page(traits: Traits, pictures: Sequence[tuple[str, str]] = ()) -> str:
    """The page in Markdown, the answer first; ``pictures`` are (caption, file) pairs."""
    found = outcomes(traits)
    parts = [
        "# The model zoo", QUESTION, *_answer(found), _opening(traits), *_misplaced(traits), *_absent(traits),
        *(f"![{caption}]({file})" for caption, file in pictures),
        "## All indicators", READING, summary_table(found),
        "## What they are, and what each teaches", DEFINED, "\n".join(_described(o) for o in found.values()),
        "## The models", models_table(traits), *_broken(traits),
        "## Effect sizes", EFFECTS, effects_table(found),
        "## The numbers", MEANS, means_table(found),
    ]  # fmt: skip
    return "\n\n".join(parts) + "\n"


QUESTION = "Which single numbers, read from a trained model, tell good models from bad ones?"
DEFINED = (
    "E_ij is what leaving out training point j does to the first field at test point i, to first order unless "
    "leverage is named; h_j is a row's leverage; means are over i. The test points are interior. An estimated "
    f"error above {TOLERABLE:.0%} raises the alarm."
)
READING = (
    "*Separated*: of how many problems all bad models lie on one side of all good ones, and it is the same side in all "
    "of them; *turned*: in how many pairs it is the other side. *AUC*: the chance that some bad model of any problem "
    "looks worse than some good one of any problem. *One threshold*: a value that parts all good from all bad models, "
    "whatever the problem. A broken model, trained well on a wrong equation, is not counted as bad: on which side of "
    "the good ones it lies stands by itself."
)
MEANS = "Mean over the seeds: good / then each bad variant, - where it is not defined."
EFFECTS = (
    "Cliff's delta of bad against good models (+1: all bad ones larger; -1: all smaller), in brackets Cohen's d of the "
    "means (of logarithms where a trait spans decades)."
)


def _answer(found: dict[str, Outcome]) -> list[str]:
    """The indicators that separate every pair, and those that expose a broken model by more than seeds differ."""
    always = [o for o in sorted((o for o in found.values() if o.trained), key=_rank) if o.always]
    exposing = [o for o in found.values() if o.broken is not None and o.broken.apart]
    exposing.sort(key=lambda o: -abs(o.broken.d))
    chosen = list({o.trait.name: o for o in (*always, *exposing)}.values())
    if not chosen:
        return ["None of them separates every pair of good and bad models."]
    rows = []
    for o in chosen:
        values = ["", ""] if o.broken is None else [_values(v) for v in (o.broken.good, o.broken.bad)]
        verdict = "" if o.broken is None else f"**{_side(o)}**" if o in exposing else _side(o)
        separated = "{} of {}".format(*o.separated())
        rows.append((o.trait.name, o.trait.kind, f"**{separated}**" if o.always else separated, *values, verdict))
    head = ("indicator", "by", "bad from good", "good flow", "broken flow", "the broken one's")
    if not any(o.broken for o in chosen):
        return [ANSWER, _table(head[:3], [row[:3] for row in rows])]
    absolute = found.get("reciprocity of the response")
    last = [ABSOLUTE] if absolute in exposing and _mirrored(absolute) else []
    return [f"{ANSWER} {EXPOSED}", _table(head, rows), *last]


ANSWER = (
    "*Bad from good*: of how many pairs (a problem, and too few points or too little training) every bad model lies on "
    "the same side of every good one."
)
EXPOSED = (
    "A *broken* flow is Stokes' in place of Navier-Stokes', trained well: bold if it lies further from the good ones "
    "than either differ among their seeds, whose values are shown."
)
ABSOLUTE = (
    "Of those that expose it, reciprocity needs no good model beside it: its value 1 says that the operator which the "
    "model learned is self-adjoint, and an equation with convection is not."
)


def _values(values: Iterable[float]) -> str:
    return ", ".join(map(_number, values))


def _mirrored(o: Outcome) -> bool:
    """Whether the broken model's reciprocity is that of a self-adjoint operator, and the good one's is not."""
    e = o.broken
    return e is not None and min(e.bad) > 0.95 > 0.8 > max(e.good)


def _opening(traits: Traits) -> str:
    n, problems = len({job.seed for job in traits}), len({job.problem for job in traits})
    chance = 1 / math.comb(2 * n, n)
    cpu = sum(row["training cpu_s"] + row["cpu_s"] for row in traits.values()) / 60
    kinds = "; ".join(f"*{name}*: {what}" for name, what in KINDS.items() if any(j.variant == name for j in traits))
    return (
        f"{len(traits)} models of {problems} problem{'s' * (problems > 1)}, {n} seed{'s' * (n > 1)} at most, "
        f"with soft conditions: good ones, and bad ones of several kinds ({kinds}). Test points, curvature and choice "
        f"of damping are the same for all models of a problem. A number that knows nothing parts {n} good from {n} "
        f"bad models, the bad ones on a given side, with a chance of {chance:.0%}. Training and measuring took "
        f"{cpu:.0f} CPU minutes. Where there is a single seed, numbers are shown but not counted."
    )


def models_table(traits: Traits) -> str:
    """Points, iterations and errors of all models."""
    rows = []
    for problem, variant in dict.fromkeys((j.problem, j.variant) for j in traits):
        runs = {j.seed: row for j, row in traits.items() if (j.problem, j.variant) == (problem, variant)}
        v = ZOO[problem].variants[variant] if problem in ZOO else None
        points = "" if v is None else " + ".join(str(n) for n in v.points.values())
        steps = "" if v is None else " + ".join(str(s.iterations) for s in v.stages)
        errors = (_each(runs, name) for name in (ERROR, "estimated error", "loss", "fresh loss"))
        rows.append((problem, variant, points, steps, *errors))
    return _table(
        ("problem", "model", "points", "iterations", "true error by seed", "estimated", "loss", "fresh loss"), rows
    )  # fmt: skip


def _each(runs: dict[int, Any], name: str) -> str:
    return ", ".join(f"{runs[seed][name]:.0e}" for seed in sorted(runs))


def _broken(traits: Traits) -> list[str]:
    """What a model with a wrong equation looks like from within, and what it is."""
    problems = {job.problem for job in traits if job.variant == BROKEN}
    sides = [
        [row for job, row in traits.items() if job.problem in problems and job.variant == variant]
        for variant in (BROKEN, "good")
    ]
    if not all(sides):
        return []
    means = ({name: _mean([r[name] for r in of], True) for name in ("loss", "estimated error", ERROR)} for of in sides)
    own, other = means
    text = (
        f"The broken model has a loss of {own['loss']:.0e} (the good one {other['loss']:.0e}) and, by its own "
        f"equation, an estimated error of {own['estimated error']:.1e}; its true error is {own[ERROR]:.1e}."
    )
    blind = own[ERROR] > 10 * own["estimated error"]
    return [text + (" No loss and no residual says that its equation is the wrong one." if blind else "")]


def _misplaced(traits: Traits) -> list[str]:
    """The models that are left out of the comparison."""
    found = [f"{job} ({traits[job][ERROR]:.1e})" for job in misplaced(traits)]
    rule = f"Left out below, for a true error on the other side of {TOLERABLE:.0%} than their name says: "
    return [rule + "; ".join(found) + "."] if found else []


def _absent(traits: Traits) -> list[str]:
    """The models of these problems that are not there, or with fewer seeds than others."""
    most = len({job.seed for job in traits})
    counts = {
        f"{problem}, {variant}": sum((job.problem, job.variant) == (problem, variant) for job in traits)
        for problem in ZOO for variant in ZOO[problem].variants if any(job.problem == problem for job in traits)
    }  # fmt: skip
    few = [f"{name} ({n})" for name, n in counts.items() if n < most]
    return [f"Fewer than {most} seeds: {'; '.join(few)}."] if few else []


def summary_table(found: dict[str, Outcome]) -> str:
    """How often each trait separates, those that do it most often first."""
    kinds = [k for k in KINDS if any(v == k for o in found.values() for _, v in o.trained)]
    broken = any(o.broken for o in found.values())
    rows = []
    for o in sorted((o for o in found.values() if o.trained), key=_rank):
        counts = ["{} of {}".format(*o.separated(k)) if o.separated(k)[1] else "" for k in kinds]
        threshold = "" if o.threshold is None else _number(o.threshold)
        side = "larger" if o.sign > 0 else "smaller"
        last = [_side(o)] if broken else []
        rows.append((o.trait.name, o.trait.kind, side, *counts, o.against or "", f"{o.auc:.2f}", threshold, *last))
    head = ("indicator", "by", "in bad models", *(f"separated: {k}" for k in kinds), "turned", "AUC", "one threshold")
    return _table((*head, *(["in broken models"] if broken else [])), rows)


def _side(o: Outcome) -> str:
    """On which side of the good models all broken ones lie."""
    if o.broken is None or not o.broken.separates:
        return "" if o.broken is None else "among the good"
    return "larger" if o.broken.delta > 0 else "smaller"


def _rank(o: Outcome) -> tuple[float, ...]:
    separated, pairs = o.separated()
    return (-(o.threshold is not None), -separated / pairs, -o.auc)


def effects_table(found: dict[str, Outcome]) -> str:
    """Cliff's delta and Cohen's d of every trait and pair."""
    pairs = list(dict.fromkeys(pair for o in found.values() for pair in o.effects))
    rows = []
    for name, o in found.items():
        cells = [o.effects.get(pair) for pair in pairs]
        rows.append((name, *("" if e is None else f"{e.delta:+.2g} ({_size(e.d)})" for e in cells)))
    return _table(("indicator", *(f"{p}, {v}" for p, v in pairs)), rows)


def _size(d: float) -> str:
    return "" if math.isnan(d) else "inf" if math.isinf(d) else f"{d:+.1f}" if abs(d) < 10 else f"{d:+.0f}"


def means_table(found: dict[str, Outcome]) -> str:
    """Means of every trait by problem: good, then the bad variants."""
    variants: dict[str, dict[str, None]] = {}  # of every problem, in order, whatever trait they have
    for problem, variant in (pair for o in found.values() for pair in o.effects):
        variants.setdefault(problem, {})[variant] = None
    rows = []
    for name, o in found.items():
        cells = []
        for problem, bad in variants.items():
            effects = [o.effects.get((problem, v)) for v in bad]
            good = next((e.good for e in effects if e is not None), ())
            means = [_mean(v, o.trait.decades) for v in (good, *(() if e is None else e.bad for e in effects))]
            cells.append(" / ".join("-" if math.isnan(m) else _number(m) for m in means) if good else "")
        rows.append((name, *cells))
    return _table(("indicator", *variants), rows)


def _mean(values: Sequence[float], decades: bool) -> float:
    """The mean, the geometric one of what spans decades; NaN of nothing."""
    if not values:
        return math.nan
    if decades and min(values) > 0:
        return math.exp(sum(map(math.log, values)) / len(values))
    return sum(values) / len(values)


def _number(value: float) -> str:
    return f"{value:.2g}" if value == 0 or 0.001 <= abs(value) < 1000 else f"{value:.0e}"


def lesson(o: Outcome) -> str:
    """What a trait teaches, where the numbers bear it; otherwise nothing."""
    text, bears = LESSONS.get(o.trait.name, ("", None))
    return text if bears is not None and bears(o) else ""


def _described(o: Outcome) -> str:
    """A trait's definition, and its lesson."""
    return f"- **{o.trait.name}** ({o.trait.kind}): {o.trait.formula}. {lesson(o)}".rstrip()


def _misses(o: Outcome, variant: str) -> bool:
    separated, pairs = o.separated(variant)
    return separated < pairs


def _finds(o: Outcome, variant: str) -> bool:
    return bool(o.separated(variant)[1]) and not _misses(o, variant)


def _only_too_few(o: Outcome) -> bool:
    return _finds(o, "few") and _misses(o, "short")


# What each trait teaches, and when: a sentence is printed only where the numbers bear it.
LESSONS: dict[str, tuple[str, Bearing]] = {
    "directionality": (
        "That information flows forward belongs to the equation more than to the quality of a training.",
        lambda o: 0 < o.auc < 0.9 and not o.always,
    ),
    "directionality above equal influence": (
        "Less what equal influence would give, direction compares between sets of points; a verdict it is not.",
        lambda o: 0 < o.auc < 0.9 and not o.always,
    ),
    "region fraction": (
        "What predictions owe to where the data enter differs more between problems than between good and bad models.",
        lambda o: 0 < o.auc < 0.9 and not o.always,
    ),
    "proximity above equal influence": (
        "With too few points influence comes from further away; that training stopped too early it does not show.",
        _only_too_few,
    ),
    "share of the conditions": (
        "The weight of conditions against equation is the problem's own, and no sign of quality.",
        lambda o: 0 < o.auc < 0.9 and not o.always,
    ),
    "cancellation": (
        "It is defined only where a point has several loss terms, and tells little there.",
        lambda o: 0 < len(o.trained) < 7 and not o.always,
    ),
    "self-influence": (
        "Points that would lose their fit if left out give too few points away, not too few iterations.", _only_too_few,
    ),
    "outside the domain of dependence": (
        "Influence from where the exact solution cannot depend on is found in good models too.",
        lambda o: o.against > 0,
    ),
    "reciprocity of the response": (
        "It says which equation a model was trained on, not how well: 1 if the operator is self-adjoint, as on "
        "poisson_disk whatever the training, less if something is carried along or time goes by. Hold it against the "
        "equation that you meant to solve.",
        lambda o: _mirrored(o) and all(
            min((*e.good, *e.bad)) > 0.95 for (p, _), e in o.effects.items() if p == "poisson_disk"
        ),
    ),
    "directionality of the response": (
        "1/2 says that sources act both ways alike. It too belongs to the equation, not to the quality of a training.",
        lambda o: o.broken is not None and o.broken.delta == -1 and not o.always,
    ),
    "uptake of sources": (
        "Where no points hold a source, a network is free between them: it shows points that are missing, and where; "
        "of too few iterations it says nothing.",
        _only_too_few,
    ),
    "participation": (
        "How many points carry a prediction says nothing of how good it is.", lambda o: 0.4 < o.auc < 0.6,
    ),
    "tension between terms": (
        "Most bad models, of either kind, have loss terms that pull against each other as wholes; not all have.",
        lambda o: not o.always and 3 * o.separated()[0] > 2 * len(o.trained),
    ),
    "helpfulness": (
        "Whether points help on the whole says little: those of good models need not.",
        lambda o: not o.always and any(min(e.good) < 0 for e in o.trained.values()),
    ),
    "mean leverage": (
        "It nears 1 where there are no more rows than parameters; of too few iterations it says nothing.",
        _only_too_few,
    ),
    "rows of high leverage": (
        "Rows that are fitted by force say that points are missing, and where; of too few iterations they say nothing.",
        _only_too_few,
    ),
    "residuals left out / fitted": (
        "Without any fresh point it shows what a gap between losses shows: too few points, and nothing else.",
        _only_too_few,
    ),
    "gain of a Newton step": (
        "Good models are far from their minimum as well: what a step gains of the loss is not what it gains of u.",
        lambda o: not o.always and o.separated()[0] > 0,
    ),
    "jackknife spread": (
        "How far another draw of points would move u, in units of u, tells of both faults within a problem; it is "
        "blind only where next to nothing is left of the residuals.",
        lambda o: sum(o.separated()) > 0 and _finds(o, "short")
        and all(min(e.bad) < 1e-2 for e in o.trained.values() if e.delta < 1),
    ),
    "estimated error": (
        "The error that fresh residuals imply is in the units of u and needs no reference; in a wrong basin it can be "
        "far too small, of which only its verdict warns (the alarm).",
        lambda o: o.always and o.threshold is None,
    ),
    "alarm of the error map": (
        "A verdict on a single model, which needs no good one to compare with.",
        lambda o: o.auc > 0.95,
    ),
    "loss": (
        "A small loss says that points are fitted: with too few of them it is smaller than a good model's.",
        lambda o: o.against > 0 and _misses(o, "few"),
    ),
    "fresh loss": (
        "Fresh points tell good from bad within a problem; how small is small enough is another question in each.",
        lambda o: o.always and o.threshold is None,
    ),
    "fresh loss / loss": (
        "A gap between the losses says that there are too few points; of too few iterations it says nothing.",
        lambda o: o.separated("short")[0] == 0 and o.separated("few")[0] > 0,
    ),
}  # fmt: skip


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(c).replace("|", "\\|") for c in line) + " |" for line in lines)


def plain(traits: Traits) -> list[dict[str, Any]]:
    """The traits as rows for JSON, where None stands for NaN."""
    return [
        {"problem": j.problem, "model": j.variant, "seed": j.seed,
         "traits": {name: None if math.isnan(v) else v for name, v in row.items()}}
        for j, row in traits.items()
    ]  # fmt: skip
