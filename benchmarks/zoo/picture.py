"""Pictures of the zoo: every indicator of every model, and the models of a problem side by side."""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pinnkit.influence.indicators import indicators
from pinnkit.influence.influence import Influence
from pinnkit.output.plot.colours import BLUE, ORANGE, RED
from pinnkit.output.plot.indicators import plot_comparison
from pinnkit.output.plot.layout import save_picture
from pinnkit.training import run_file as runfile

from .runs import Job, Traits, path
from .specimen import ZOO
from .trait import NAMES, TRAITS

LOOKS = {"good": (BLUE, "o"), "few": (ORANGE, "^"), "short": (RED, "s"), "broken": ("black", "D")}
SHOWN = (
    "jackknife spread", "estimated error", "fresh loss / loss", "loss", "residuals left out / fitted",
    "reciprocity of the response",
    "directionality above equal influence", "proximity above equal influence", "share of the conditions",
)  # fmt: skip


def plot_traits(traits: Traits, names: Sequence[str] = SHOWN) -> Figure:
    """A panel for every trait: all models by problem, good ones beside bad ones.

    Raises:
        ValueError: a trait that is not measured.
    """
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        raise ValueError(f"{unknown[0]!r} is no trait: there are {', '.join(NAMES)}")
    columns = min(3, len(names))
    rows = -(-len(names) // columns)
    figure = Figure(figsize=(5.4 * columns, 3.2 * rows + 0.6), layout="constrained")
    for i, name in enumerate(names):
        _strip(figure.add_subplot(rows, columns, i + 1), traits, name)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False)
    return figure


def _strip(ax: Axes, traits: Traits, name: str) -> None:
    problems = list(dict.fromkeys(job.problem for job in traits))
    variants = [v for v in LOOKS if any(job.variant == v for job in traits)]
    for k, variant in enumerate(variants):
        of = [(problems.index(j.problem), row[name]) for j, row in traits.items() if j.variant == variant]
        x, y = np.array(of).T
        colour, marker = LOOKS[variant]
        ax.plot(x + 0.2 * (k - (len(variants) - 1) / 2), y, marker, color=colour, ms=5, alpha=0.8, label=variant)
    if next(t for t in TRAITS if t.name == name).decades:
        ax.set_yscale("log")
    ax.set_xticks(range(len(problems)), [p.replace("_", "\n", 1) for p in problems], fontsize="small")
    ax.set_title(name, fontsize="medium")
    ax.spines[["top", "right"]].set_visible(False)
    for edge in range(1, len(problems)):
        ax.axvline(edge - 0.5, color="0.9", lw=0.8, zorder=0)


def plot_models(folder: Path, traits: Traits, problem: str) -> Figure:
    """The first seed's models of a problem: influence on one prediction, leverage, direction, shares of loss terms."""
    specimen, seed = ZOO[problem], min(job.seed for job in traits if job.problem == problem)
    models = {}
    for variant in specimen.variants:
        job = Job(problem, variant, seed)
        if job in traits:
            solution = runfile.load(path(folder, job), specimen.state(variant))
            models[variant] = Influence(solution, "gauss-newton")
    known = {name: indicators(model, along=specimen.along) for name, model in models.items()}
    return plot_comparison(models, dict(specimen.where), found=known)


def draw(
    folder: Path, out: Path, traits: Traits, problems: Collection[str] | None = None
) -> Iterator[tuple[str, str]]:  # fmt: skip
    """Draw the pictures, of some problems or of all, into a folder: captions and file names, as they are done."""
    save_picture(plot_traits(traits), out / "zoo.png", 110)
    yield "Indicators of all models", "zoo.png"
    for problem in dict.fromkeys(job.problem for job in traits if problems is None or job.problem in problems):
        save_picture(plot_models(folder, traits, problem), out / f"zoo-{problem}.png", 90)
        yield f"Models of {problem}", f"zoo-{problem}.png"
