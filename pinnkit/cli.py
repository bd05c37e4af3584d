"""The command line: problems, solve, report, error, correct, plot, influence, validate, certify."""

import json
import math
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import __version__, catalogue

try:
    from typer import TyperException as UsageError
except ImportError:  # before typer had exceptions of its own
    from click import ClickException as UsageError

if TYPE_CHECKING:  # torch and sympy take seconds to load: help and lists do without them
    from .influence.attribution import Influence
    from .influence.result import Attribution
    from .solution import Solution

app = typer.Typer(
    name="pinnkit",
    help="Physics-informed models: solve, report, plot, explain.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Given = Annotated[Path | None, typer.Option("--problem", metavar="FILE.py", help="The file that states the problem.")]
Run = Annotated[Path, typer.Argument(metavar="RUN.h5", help="A run file.")]


def main(arguments: list[str] | None = None) -> None:
    """Run a command and leave with 0; with 2 and one sentence for wrong input; with 130 after Ctrl-C."""
    try:
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *_: print(message, file=sys.stderr)
            code = app(arguments, standalone_mode=False, prog_name="pinnkit")
    except UsageError as error:
        code = _complain(error.format_message(), getattr(error, "exit_code", 2))
    except (ValueError, TypeError, OSError, ImportError) as error:
        code = _complain(str(error), 2)
    except (KeyboardInterrupt, typer.Abort):
        code = 130
    sys.exit(code if isinstance(code, int) else 0)


def _complain(sentence: str, code: int) -> int:
    if sentence:
        from rich.console import Console
        from rich.text import Text

        Console(stderr=True, soft_wrap=True).print(Text(sentence.strip(), "red"))
    return code


def _version(asked: bool) -> None:
    if asked:
        print(f"pinnkit {__version__}")
        raise typer.Exit()


@app.callback()
def _whole(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    del version


@app.command()
def problems(as_json: Json = False) -> None:
    """List the problems of the catalogue with their arguments."""
    entries = catalogue.entries()
    if as_json:
        _print_json([{"name": e.name, "summary": e.summary, "arguments": dict(e.arguments)} for e in entries])
        return
    width = max(len(e.name) for e in entries)
    for e in entries:
        print(f"{e.name:<{width}}  {e.summary}")
        if e.arguments:
            print(" " * width + "  --set " + ", ".join(k if v is None else f"{k}={v}" for k, v in e.arguments.items()))


@app.command()
def solve(
    target: Annotated[
        str, typer.Argument(metavar="NAME|FILE.py", help="A problem of the catalogue, or a file with one.")
    ],
    set_: Annotated[
        list[str], typer.Option("--set", metavar="K=V", help="An argument of the problem; repeatable.")
    ] = [],  # noqa: B006
    network: Annotated[str | None, typer.Option(metavar="32,32,32", help="Widths of the hidden layers.")] = None,
    points: Annotated[
        list[str], typer.Option(metavar="SET=N", help="Numbers of points, as pde=2000; repeatable.")
    ] = [],  # noqa: B006
    resample: Annotated[str | None, typer.Option(metavar="HOW", help="uniform, rad, rar-d, rar-g, r3 or none.")] = None,
    every: Annotated[int | None, typer.Option(min=1, metavar="N", help="Resample every N iterations.")] = None,
    balance: Annotated[
        str | None, typer.Option(metavar="ntk|gradient", help="Balance the loss terms in the first stage, or none.")
    ] = None,
    stages: Annotated[str | None, typer.Option(metavar="STAGES", help="As adam:1000:lr=0.01,ssbroyden:3000.")] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="RUN.h5", help="The run file; runs/NAME-seedN.h5 unless given.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run file, if it exists.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Start anew though the run file exists.")] = False,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1 ...; the CPU unless given.")] = None,
    dtype: Annotated[str | None, typer.Option(help="float64 (default) or float32.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of the first parameters and points; 0 unless given.")] = None,
    time_limit: Annotated[float | None, typer.Option(min=0, metavar="S", help="Stop after S seconds.")] = None,
    threads: Annotated[int, typer.Option(min=1, help="Torch threads; more than 1 is slower on usual sizes.")] = 1,
    solver: Annotated[
        str, typer.Option(metavar="pinn|lie", help="A network, or a superposition of exact solutions.")
    ] = "pinn",
    tolerance: Annotated[
        float | None, typer.Option(min=0, metavar="T", help="The data's misfit, for --solver lie; 1e-8 unless given.")
    ] = None,
    correct: Annotated[
        bool, typer.Option("--correct", help="Correct the end by the error that its residual implies: some seconds.")
    ] = False,
    as_json: Json = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
) -> None:
    """Solve a problem; its own settings, which solve it well, hold where nothing else is given."""
    path = out or Path("runs") / f"{Path(target).stem}-seed{seed or 0}.h5"
    if path.exists() and not (resume or overwrite):
        raise ValueError(f"{path} exists: --resume goes on with it, --overwrite starts anew, --out names another file")
    import torch

    from .jobs import Wish, resumed, started, superposed

    torch.set_num_threads(threads)
    wish = Wish(
        target, tuple(set_), network, tuple(points), resample, every, stages, device, dtype, seed, time_limit, balance
    )  # fmt: skip
    if solver not in ("pinn", "lie"):
        raise ValueError(f"--solver {solver}: choose pinn or lie")
    if solver == "lie":
        if correct:
            raise ValueError("--correct is for networks: a superposition (--solver lie) does without, leave it out")
        path.parent.mkdir(parents=True, exist_ok=True)
        found = superposed(wish, tolerance, file=path, progress=not quiet, resume=resume)
        _print_report(found, as_json, path, estimate=False)
        return
    if tolerance is not None:
        raise ValueError("--tolerance belongs to --solver lie: a network is trained by its stages")
    if not (resume and path.exists()):
        path.parent.mkdir(parents=True, exist_ok=True)
    begin = resumed if resume and path.exists() else started
    solution = begin(wish, checkpoint=path, progress=not quiet)
    if not solution.progress.done and solution.stops[-1].startswith("interrupted"):
        command = f"pinnkit solve {target} --resume --out {path}"
        print(f"{solution.stops[-1]}: go on with `{command}`", file=sys.stderr)
        raise typer.Exit(130)
    if correct:
        from .jobs import corrected

        solution = corrected(solution, path)
    _print_report(solution, as_json, path)


@app.command()
def symmetries(
    target: Annotated[
        str, typer.Argument(metavar="NAME|FILE.py", help="A problem of the catalogue, or a file with one.")
    ],
    set_: Annotated[
        list[str], typer.Option("--set", metavar="K=V", help="An argument of the problem; repeatable.")
    ] = [],  # noqa: B006
    latex: Annotated[bool, typer.Option("--latex", help="Print LaTeX.")] = False,
    table: Annotated[bool, typer.Option("--table", help="Print the commutators as well.")] = False,
    as_json: Json = False,
) -> None:
    """Find the Lie point symmetries of a problem's equations."""
    from .jobs import Wish
    from .lie.symmetry import symmetries as find

    found = find(Wish(target, tuple(set_)).problem())
    if as_json:
        _print_json(found.to_dict())
    elif latex:
        print(found.latex() + ("\n" + found.table_latex() if table else ""))
    else:
        print(f"{found}\n{found.table_text()}" if table else found)


@app.command()
def report(
    run: Run,
    problem: Given = None,
    estimate: Annotated[
        bool, typer.Option("--estimate/--no-estimate", help="Estimate the error without the reference: some seconds.")
    ] = True,
    as_json: Json = False,
) -> None:
    """Print the errors, residuals and cost of a run."""
    from .jobs import opened

    _print_report(opened(run, problem), as_json, run, estimate)


def _check_picture(picture: Path | None) -> None:
    """Before any work: a picture without a suffix has no format."""
    if picture is not None and not picture.suffix:
        raise ValueError(f"--picture {picture}: give a file with its format, as {picture}.png")


@app.command()
def error(
    run: Run,
    out: Annotated[Path | None, typer.Option(metavar="MAP.h5", help="Write the map to a file.")] = None,
    picture: Annotated[Path | None, typer.Option(metavar="MAP.png", help="Draw it, beside the true error.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the fresh points.")] = 0,
    problem: Given = None,
    threads: Annotated[int, typer.Option(min=1, help="Torch threads.")] = 1,
    as_json: Json = False,
) -> None:
    """Say how wrong a run is, and where, without a reference; correct it; say when not to trust that."""
    _check_picture(picture)
    import torch

    from .error_map import error_map
    from .jobs import opened

    torch.set_num_threads(threads)
    found = error_map(opened(run, problem), seed=seed)
    files = {} if out is None else {"map": str(found.save(out))}
    if picture is not None:
        from .plot import error_figure

        error_figure(found).savefig(picture, dpi=160)
        files["picture"] = str(picture)
    true = {} if found.solution.problem.reference is None else found.solution.errors()
    if as_json:
        _print_json(found.to_dict() | {"true": true, "files": files})
        return
    print(found)
    for name, figures in true.items():
        print(f"true relative L2 error of {name}: {figures['relative_l2']:.2e}")
    print("\n".join(f"{name} in {file}" for name, file in files.items()), end="\n" if files else "")


@app.command()
def correct(
    run: Run,
    out: Annotated[Path | None, typer.Option(metavar="BETTER.h5", help="RUN-corrected.h5 unless given.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the fresh points.")] = 0,
    problem: Given = None,
    threads: Annotated[int, typer.Option(min=1, help="Torch threads.")] = 1,
    as_json: Json = False,
) -> None:
    """Correct a run by the error that its own residual implies, and write the corrected run to a file of its own."""
    import torch

    from .jobs import corrected, opened

    torch.set_num_threads(threads)
    path = out or run.with_name(f"{run.stem}-corrected.h5")
    _print_report(corrected(opened(run, problem), path, seed), as_json, path)


@app.command()
def plot(
    run: Run,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where to; beside the run file unless given.")
    ] = None,
    format: Annotated[str, typer.Option(help="png, pdf, svg ...")] = "png",
    problem: Given = None,
    as_json: Json = False,
) -> None:
    """Draw solution, error, points, slices and history of a run, and all in one: RUN-summary.png and so on."""
    from .jobs import opened
    from .plot import figures

    folder = out or run.parent
    solution = opened(run, problem)
    folder.mkdir(parents=True, exist_ok=True)
    files = {}
    for name, figure in figures(solution).items():
        files[name] = str(folder / f"{run.stem}-{name}.{format}")
        figure.savefig(files[name], dpi=160)
    if as_json:
        _print_json({"figures": files})
    else:
        print("\n".join(files.values()))


@app.command()
def export(
    run: Run,
    out: Annotated[Path | None, typer.Option(metavar="FLOW.vtu", help="Where to; RUN.vtu unless given.")] = None,
    derivative: Annotated[
        list[str], typer.Option(metavar="NAME", help="A derivative that comes with the fields, as u_x; repeatable.")
    ] = [],  # noqa: B006
    vector: Annotated[
        list[str], typer.Option(metavar="NAME=U,V", help="A vector of fields, as velocity=u,v; repeatable.")
    ] = [],  # noqa: B006
    times: Annotated[int, typer.Option(min=1, metavar="N", help="Steps of a time series.")] = 21,
    nodes: Annotated[int | None, typer.Option(min=8, metavar="N", help="About how many nodes the mesh has.")] = None,
    error: Annotated[bool, typer.Option("--error", help="The predicted error comes with the fields.")] = False,
    points: Annotated[
        Path | None, typer.Option(metavar="POINTS.vtu", help="Write the training points as well.")
    ] = None,
    of: Annotated[
        list[str], typer.Option(metavar="WHAT", help="The points' influence on this, as of `influence`; repeatable.")
    ] = [],  # noqa: B006
    problem: Given = None,
    threads: Annotated[int, typer.Option(min=1, help="Torch threads.")] = 1,
    as_json: Json = False,
) -> None:
    """Write a run for ParaView: fields on a mesh of the domain (.vtu, a series with .pvd), and its training points."""
    if of and points is None:
        raise ValueError(f"--of {of[0]} is a column of the training points: name their file, as --points points.vtu")
    import torch

    from . import options
    from .jobs import Question, influenced, opened
    from .vtk import export_points, export_vtk

    torch.set_num_threads(threads)
    vectors = options.pairs(vector, "--vector")
    if of:
        model, found = influenced(run, problem, Question(tuple(of)))
        solution = model.solution
    else:
        solution, found = opened(run, problem), None
    files = {"fields": str(export_vtk(
        solution, out or run.with_suffix(".vtu"), " ".join(derivative), vectors=vectors, times=times, nodes=nodes,
        error=error,
    ))}  # fmt: skip
    if points is not None:
        files["points"] = str(export_points(solution, points, found))
    if as_json:
        _print_json({"files": files})
    else:
        print("\n".join(files.values()))


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
    out: Annotated[Path | None, typer.Option(metavar="MAP.h5", help="Write all effects to a file.")] = None,
    picture: Annotated[Path | None, typer.Option(metavar="MAP.png", help="Draw the effects over the domain.")] = None,
    problem: Given = None,
    threads: Annotated[int, typer.Option(min=1, help="Torch threads.")] = 1,
    as_json: Json = False,
) -> None:
    """Say which training points made a prediction, a loss or an error of a run what it is."""
    _check_picture(picture)
    import torch

    from .influence.reading import reading
    from .jobs import Question, influenced

    torch.set_num_threads(threads)
    model, found = influenced(run, problem, Question(tuple(of), curvature, damping, convention))
    files = _write_map(model, found, out, picture)
    said = reading(model, found, top)
    if as_json:
        _print_json(said.to_dict() | {"files": files})
    else:
        print("\n".join([str(said), *(f"{name:<14}{file}" for name, file in files.items())]))


@app.command()
def validate(
    run: Run,
    points: Annotated[int, typer.Option(min=0, metavar="N", help="Single points to train without.")] = 30,
    groups: Annotated[int, typer.Option(min=0, metavar="N", help="Groups of either kind to train without.")] = 16,
    plantings: Annotated[int, typer.Option(min=0, metavar="N", help="Times that wrong data are planted.")] = 5,
    seed: Annotated[int, typer.Option(min=0, help="Of the points, groups and wrong data.")] = 0,
    out: Annotated[Path | None, typer.Option(metavar="FILE.h5", help="Write all changes to a file.")] = None,
    problem: Given = None,
    threads: Annotated[int, typer.Option(min=1, help="Torch threads.")] = 1,
    as_json: Json = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
) -> None:
    """Put the influences of a run to the test: train again without points, and find wrong data that were planted."""
    import torch

    from .influence.validation import validate as make
    from .jobs import opened

    torch.set_num_threads(threads)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
    solution = opened(run, problem)
    found = make(solution, None, points, groups, plantings=plantings, seed=seed, progress=False if quiet else None)
    files = {} if out is None else {"file": str(found.save(out))}
    if as_json:
        _print_json(found.to_dict() | files)
    else:
        print("\n".join([str(found), *(f"in {file}" for file in files.values())]))


def _write_map(model: "Influence", found: "Attribution", out: Path | None, picture: Path | None) -> dict[str, str]:
    for path in (out, picture):
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
    if out is not None:
        from .influence.map_file import save_map

        save_map(found, out)
    if picture is not None:
        from .influence.picture import plot_map

        plot_map(model, found).savefig(picture, dpi=160)
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
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
) -> None:
    """Train good and bad models of the published influence study, and say which indicators tell them apart.

    Minutes to an hour; what is there is not trained again, and what was interrupted goes on.
    """
    from .atomic import put
    from .zoo.page import page as written
    from .zoo.page import plain
    from .zoo.picture import draw
    from .zoo.runs import fill, read
    from .zoo.runs import jobs as wanted

    models = wanted(problem, seeds)
    say = (lambda line: None) if quiet else (lambda line: print(line, file=sys.stderr, flush=True))
    traits = read(runs, models) if only_read else fill(runs, models, jobs, say)
    if not traits:
        raise ValueError(f"there are no models of the zoo in {runs}: leave --only-read out to train them")
    pictures = []
    if page is not None:
        page.mkdir(parents=True, exist_ok=True)
        pictures = list(draw(runs, page, traits))
        put(page / "ZOO.md", lambda partial: partial.write_text(written(traits, pictures), encoding="utf-8"))
    if as_json:
        _print_json({"models": plain(traits), "page": None if page is None else str(page / "ZOO.md")})
    else:
        print(written(traits) if page is None else f"{page / 'ZOO.md'}")


@app.command()
def certify(
    run: Run,
    enclosed: Annotated[
        bool, typer.Option("--enclosed", help="Enclose the misfit by interval arithmetic: only this is rigorous.")
    ] = False,
    problem: Given = None,
    as_json: Json = False,
) -> None:
    """Bound the error of a run from above, by a theorem that fits its equation."""
    from .certificate.certify import certify as make
    from .jobs import opened

    found = make(opened(run, problem), enclosed)
    if as_json:
        _print_json(found.to_dict())
    else:
        print(found)


def _print_report(solution: "Solution", as_json: bool, path: Path, estimate: bool = True) -> None:
    from .report import report as make

    found = make(solution, estimate)
    if as_json:
        _print_json(found.to_dict() | {"file": str(path)})
    elif sys.stdout.isatty():
        from rich.console import Console

        Console().print(found)
        print(f"in {path}")
    else:
        print(found)
        print(f"in {path}")


def _print_json(data: Any) -> None:
    """JSON that every reader takes: what is not finite becomes null."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: plain(v) for k, v in value.items()}
        if isinstance(value, (list, tuple)):
            return [plain(v) for v in value]
        return None if isinstance(value, float) and not math.isfinite(value) else value

    print(json.dumps(plain(data), indent=2, allow_nan=False))
