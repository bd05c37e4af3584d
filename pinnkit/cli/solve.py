"""Commands that start from a problem: problems, solve, symmetries."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pinnkit.tools.atomic_file import check_or_make_folder
from pinnkit.tools.lock import only_writer

from .app import app
from .common import Arguments, Json, Quiet, Target, Threads, print_json, print_report

if TYPE_CHECKING:
    from .jobs import SolveArguments


@app.command()
def problems(as_json: Json = False) -> None:
    """List the problems of the catalogue with their arguments."""
    from pinnkit.statement import catalogue

    entries = catalogue.entries()
    if as_json:
        print_json([{"name": e.name, "summary": e.summary, "arguments": dict(e.arguments)} for e in entries])
        return
    width = max(len(e.name) for e in entries)
    for e in entries:
        print(f"{e.name:<{width}}  {e.summary}")
        if e.arguments:
            print(" " * width + "  --set " + ", ".join(k if v is None else f"{k}={v}" for k, v in e.arguments.items()))


@app.command()
def solve(
    target: Target,
    set_: Arguments = None,
    network: Annotated[str | None, typer.Option(metavar="32,32,32", help="Widths of the hidden layers.")] = None,
    points: Annotated[
        list[str], typer.Option(metavar="SET=N", help="Numbers of points, as pde=2000; repeatable.")
    ] = [],  # noqa: B006
    resample: Annotated[
        str | None, typer.Option(metavar="HOW", help="uniform, rad, weighted-rad, influence, rar-d, rar-g, r3 or none.")
    ] = None,
    every: Annotated[int | None, typer.Option(min=1, metavar="N", help="Resample every N iterations.")] = None,
    balance: Annotated[
        str | None, typer.Option(metavar="ntk|gradient", help="Balance the loss terms in the first stage, or none.")
    ] = None,
    stages: Annotated[
        str | None, typer.Option(metavar="STAGES", help="As adam:1000:lr=0.01,ssbroyden:3000, or recipe.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="RUN.h5", help="The run file; runs/NAME-seedN.h5 unless given.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Resume from the run file, if it exists.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Start anew though the run file exists.")] = False,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1 ...; the CPU unless given.")] = None,
    dtype: Annotated[str | None, typer.Option(help="float64 (default) or float32.")] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, max=2**62, help="Of the first parameters and points; 0 unless given.")
    ] = None,
    time_limit: Annotated[float | None, typer.Option(min=0, metavar="S", help="Stop after S seconds.")] = None,
    threads: Threads = 1,
    solver: Annotated[
        str, typer.Option(metavar="pinn|lie", help="A network, or a superposition of exact solutions.")
    ] = "pinn",
    tolerance: Annotated[
        float | None,
        typer.Option(
            min=0, metavar="T", help="Train until the estimated relative error is below T; for lie, the data's misfit."
        ),
    ] = None,
    correct: Annotated[
        bool, typer.Option("--correct", help="Correct the end by the error that its residual implies: some seconds.")
    ] = False,
    windows: Annotated[
        str | None,
        typer.Option(metavar="N|auto", help="March through N time windows; with --correct each is corrected."),
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Solve a problem; its own settings, which solve it well, hold where nothing else is given."""
    path = out or Path("runs") / f"{Path(target).stem}-seed{seed or 0}.h5"
    _goes_on(path, resume, overwrite)  # asked before torch is loaded
    import torch

    from .jobs import SolveArguments

    torch.set_num_threads(threads)
    arguments, counts = tuple(set_ or ()), tuple(points)
    wish = SolveArguments(
        target, arguments, network, counts, resample, every, stages, device, dtype, seed, time_limit, balance, tolerance
    )
    if solver not in ("pinn", "lie"):
        raise ValueError(f"--solver {solver}: choose pinn or lie")
    if solver == "lie" and correct:
        raise ValueError("--correct is for networks: a superposition (--solver lie) has none, leave it out")
    if solver == "lie" and windows is not None:
        raise ValueError("--windows is for networks: a superposition (--solver lie) has none, leave it out")
    if windows is not None and tolerance is not None:
        raise ValueError("--tolerance is for one run: windows have none, leave one of the two out")
    if solver == "pinn" and tolerance is not None and correct:
        raise ValueError("--correct: a run with --tolerance corrects as it goes, leave it out")
    check_or_make_folder(path)
    with only_writer(path):
        go_on = _goes_on(path, resume, overwrite)  # asked once more, as nobody else writes it from here on
        if solver == "lie":
            _superpose(wish, path, resume, as_json, quiet)
        elif windows is not None:
            _march(wish, windows, correct, path, resume, overwrite, as_json, quiet)
        else:
            _train(wish, path, go_on, correct, as_json, quiet)


def _goes_on(path: Path, resume: bool, overwrite: bool) -> bool:
    """Whether the run file is there to be gone on with; ValueError where it is there and nothing was said of it."""
    if path.exists() and not (resume or overwrite):
        raise ValueError(f"{path} exists: --resume goes on with it, --overwrite starts anew, --out names another file")
    return resume and path.exists()


def _superpose(wish: "SolveArguments", path: Path, resume: bool, as_json: bool, quiet: bool) -> None:
    from .jobs import superposed

    found = superposed(wish, file=path, progress=not quiet, resume=resume)
    print_report(found, as_json, path, estimate=False)


def _train(wish: "SolveArguments", path: Path, go_on: bool, correct: bool, as_json: bool, quiet: bool) -> None:
    from pinnkit.network.linearised import Linearised
    from pinnkit.training.loop import NOT_SAVED

    from .jobs import corrected, resumed, started

    begin = resumed if go_on else started
    solution = begin(wish, checkpoint=path, progress=not quiet)
    lost = [note for note in solution.notes if note.startswith(NOT_SAVED)]
    if lost:
        print_report(solution, as_json, None)
        raise OSError(lost[-1])
    if not solution.progress.done and solution.stops[-1].startswith("interrupted"):
        command = f"pinnkit solve {wish.target} --resume --out {path}"
        print(f"{solution.stops[-1]}: go on with `{command}`", file=sys.stderr)
        raise typer.Exit(130)
    if correct and not isinstance(solution.network, Linearised):  # nor a second time where --resume finds it done
        solution = corrected(solution, path)
    print_report(solution, as_json, path)


def _march(
    wish: "SolveArguments", windows: str, correct: bool, path: Path, resume: bool, overwrite: bool, as_json: bool,
    quiet: bool,
) -> None:  # fmt: skip
    from .march import marched

    if resume and path.exists():
        raise ValueError(f"{path} exists: its march is done; --overwrite starts anew, --out names another file")
    found = marched(wish, windows, correct, file=path, resume=resume, overwrite=overwrite, progress=not quiet)
    if not found.progress.done:
        command = f"pinnkit solve {wish.target} --windows {windows}{' --correct' * correct} --resume --out {path}"
        print(f"{found.stops[-1]}, in window {len(found.windows)}: go on with `{command}`", file=sys.stderr)
        raise typer.Exit(130 if "interrupted" in found.stops[-1] else 0)
    print_report(found, as_json, path)


@app.command()
def symmetries(
    target: Target,
    set_: Arguments = None,
    latex: Annotated[bool, typer.Option("--latex", help="Print LaTeX.")] = False,
    table: Annotated[bool, typer.Option("--table", help="Print the commutators as well.")] = False,
    as_json: Json = False,
) -> None:
    """Find the Lie point symmetries of a problem's equations."""
    from pinnkit.exact.lie.symmetries import symmetries as find

    from .jobs import SolveArguments

    found = find(SolveArguments(target, tuple(set_ or ())).problem())
    if as_json:
        print_json(found.to_dict())
    elif latex:
        print(found.latex() + ("\n" + found.table_latex() if table else ""))
    else:
        print(f"{found}\n{found.table_text()}" if table else found)
