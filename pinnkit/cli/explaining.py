"""Commands that explain a run by its training points: influence, validate, zoo."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .shared import Given, Json, Kept, Picture, Quiet, Run, Threads, prepare, print_json, working
from .shell import app

if TYPE_CHECKING:
    from ..influence.attribution import Influence
    from ..influence.result import Attribution


@app.command()
def influence(
    run: Run,
    of: Annotated[
        list[str],
        typer.Option(
            metavar="WHAT",
            help="u@x=0.2,t=0.5 (a field or derivative), test-loss, loss:TERM, error, error:u, unknown:D; repeatable.",
        ),
    ] = [],  # noqa: B006
    curvature: Annotated[
        str, typer.Option(metavar="KIND", help="auto, gauss-newton, exact, explicit, published or gradient-dot.")
    ] = "auto",
    damping: Annotated[str, typer.Option(metavar="L", help="A positive number, gcv or evidence.")] = "gcv",
    convention: Annotated[
        str, typer.Option(help="fixed: the other points keep their weights; mean: they share the removed one's.")
    ] = "fixed",
    top: Annotated[int, typer.Option(min=0, metavar="N", help="Print the N strongest points.")] = 10,
    response: Annotated[
        bool,
        typer.Option(
            "--response",
            help="Say whether the equation answers sources both ways; takes about as long as the curvature.",
        ),
    ] = False,
    out: Kept = None,
    picture: Picture = None,
    problem: Given = None,
    threads: Threads = 1,
    as_json: Json = False,
) -> None:
    """Say which training points made a prediction, a loss or an error of a run what it is."""
    prepare(picture, out)
    import torch

    from ..influence.reading import reading
    from ..jobs import Question, influenced

    torch.set_num_threads(threads)
    with working("curvature and influence"):
        model, found = influenced(run, problem, Question(tuple(of), curvature, damping, convention))
    files = _write_map(model, found, out, picture)
    with working("response to sources" if response else "summary"):
        said = reading(model, found, top, response)
    if as_json:
        print_json(said.to_dict() | {"files": files})
    else:
        print("\n".join([str(said), *(f"{name:<14}{file}" for name, file in files.items())]))


@app.command()
def validate(
    run: Run,
    points: Annotated[int, typer.Option(min=0, metavar="N", help="Single points to train without.")] = 30,
    groups: Annotated[int, typer.Option(min=0, metavar="N", help="Groups of either kind to train without.")] = 16,
    plantings: Annotated[int, typer.Option(min=0, metavar="N", help="Times that wrong data are planted.")] = 5,
    seed: Annotated[int, typer.Option(min=0, max=2**62, help="Of the points, groups and wrong data.")] = 0,
    out: Kept = None,
    problem: Given = None,
    threads: Threads = 1,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Put the influences of a run to the test: train again without points, and find wrong data that were planted."""
    prepare(out=out)
    import torch

    from ..influence.validation import validate as make
    from ..jobs import opened

    torch.set_num_threads(threads)
    solution = opened(run, problem)
    found = make(solution, None, points, groups, plantings=plantings, seed=seed, progress=False if quiet else None)
    files = {} if out is None else {"file": str(found.save(out))}
    if as_json:
        print_json(found.to_dict() | files)
    else:
        print("\n".join([str(found), *(f"in {file}" for file in files.values())]))


def _write_map(model: "Influence", found: "Attribution", out: Path | None, picture: Path | None) -> dict[str, str]:
    if out is not None:
        from ..influence.map_file import save_map

        save_map(found, out)
    if picture is not None:
        from ..influence.picture import plot_map
        from ..panel import save_picture

        save_picture(plot_map(model, found), picture)
    return {name: str(path) for name, path in (("map", out), ("picture", picture)) if path is not None}


@app.command()
def zoo(
    problem: Annotated[
        list[str] | None, typer.Argument(metavar="[PROBLEM]...", help="Some of the zoo's problems; all unless given.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, metavar="N", help="Trainings of every model.")] = 3,
    jobs: Annotated[int, typer.Option(min=1, metavar="N", help="Processes, each with one thread.")] = 1,
    runs: Annotated[Path, typer.Option(metavar="FOLDER", help="Where run files are kept.")] = Path("runs") / "zoo",
    page: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write the page ZOO.md with its pictures there.")
    ] = None,
    only_read: Annotated[bool, typer.Option("--only-read", help="Train nothing: show what is there.")] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train good and bad models of the published influence study, and say which indicators tell them apart.

    Minutes to an hour; what is there is not trained again, and what was interrupted goes on.
    """
    from ..atomic import put
    from ..zoo.page import page as written
    from ..zoo.page import plain
    from ..zoo.picture import draw
    from ..zoo.runs import fill, read
    from ..zoo.runs import jobs as wanted

    models = wanted(problem, seeds)
    prepare(out=None if page is None else page / "ZOO.md")
    say = (lambda line: None) if quiet else (lambda line: print(line, file=sys.stderr, flush=True))
    traits = read(runs, models) if only_read else fill(runs, models, jobs, say)
    if not traits:
        raise ValueError(f"there are no models of the zoo in {runs}: leave --only-read out to train them")
    pictures = []
    if page is not None:
        pictures = list(draw(runs, page, traits))
        put(page / "ZOO.md", lambda partial: partial.write_text(written(traits, pictures), encoding="utf-8"))
    if as_json:
        print_json({"models": plain(traits), "page": None if page is None else str(page / "ZOO.md")})
    else:
        print(written(traits) if page is None else f"{page / 'ZOO.md'}")
