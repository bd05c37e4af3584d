"""Commands that explain a run by its training points: influence, validate."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pinnkit.tools.progress import working

from .app import app
from .common import Given, Json, Kept, Picture, Quiet, Run, Threads, prepare, print_json

if TYPE_CHECKING:
    from pinnkit.influence.attribution import Attribution
    from pinnkit.influence.influence import Influence


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
    prepare(run, picture, out, threads)
    from pinnkit.influence.summary import reading

    from .jobs import InfluenceArguments, influenced

    with working("curvature and influence"):
        model, found = influenced(run, problem, InfluenceArguments(tuple(of), curvature, damping, convention))
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
    corruptions: Annotated[int, typer.Option(min=0, metavar="N", help="Times that data are made wrong.")] = 5,
    plantings: Annotated[int | None, typer.Option(hidden=True)] = None,  # the old name of corruptions
    seed: Annotated[int, typer.Option(min=0, max=2**62, help="Of the points, groups and wrong data.")] = 0,
    out: Kept = None,
    problem: Given = None,
    threads: Threads = 1,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Put the influences of a run to the test: train again without points, and find data made wrong on purpose."""
    prepare(run, out=out, threads=threads)
    from pinnkit.influence.leave_out import validate as make

    from .jobs import opened_run

    solution = opened_run(run, problem)
    count = corruptions if plantings is None else plantings
    found = make(solution, None, points, groups, corruptions=count, seed=seed, progress=False if quiet else None)
    files = {} if out is None else {"file": str(found.save(out))}
    if as_json:
        print_json(found.to_dict() | files)
    else:
        print("\n".join([str(found), *(f"in {file}" for file in files.values())]))


def _write_map(model: "Influence", found: "Attribution", out: Path | None, picture: Path | None) -> dict[str, str]:
    if out is not None:
        from pinnkit.influence.map_file import save_map

        save_map(found, out)
    if picture is not None:
        from pinnkit.output.plot.influence import plot_map
        from pinnkit.output.plot.layout import save_picture

        save_picture(plot_map(model, found), picture)
    return {name: str(path) for name, path in (("map", out), ("picture", picture)) if path is not None}
