"""Commands that read a run: report, error, correct, certify, plot, export."""

from pathlib import Path
from typing import Annotated

import typer

from pinnkit.tools.lock import only_writer
from pinnkit.tools.progress import working

from .app import app
from .common import FreshSeed, Given, Json, Kept, Picture, Run, Threads, prepare, print_json, print_report

RunOrCertificate = Annotated[
    Path, typer.Argument(metavar="RUN.h5|FILE.json", help="A run file, or with --check a kept certificate.")
]


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

    print_report(opened(run, problem), as_json, run, estimate)


@app.command()
def error(
    run: Run,
    out: Kept = None,
    picture: Picture = None,
    seed: FreshSeed = 0,
    problem: Given = None,
    threads: Threads = 1,
    as_json: Json = False,
) -> None:
    """Say how wrong a run is, and where, without a reference; correct it; say when not to trust that."""
    prepare(run, picture, out, threads)
    from pinnkit.error.estimator import error_map

    from .jobs import opened

    solution = opened(run, problem)
    with working("error map"):
        found = error_map(solution, seed=seed)
    files = {} if out is None else {"map": str(found.save(out))}
    if picture is not None:
        from pinnkit.output.plot.error import error_figure
        from pinnkit.output.plot.layout import save_picture

        save_picture(error_figure(found), picture)
        files["picture"] = str(picture)
    true = {} if found.solution.problem.reference is None else found.solution.errors()
    if as_json:
        print_json(found.to_dict() | {"true": true, "files": files})
        return
    print(found)
    for name, figures in true.items():
        print(f"true relative L2 error of {name}: {figures['relative_l2']:.2e}")
    print("\n".join(f"{name} in {file}" for name, file in files.items()), end="\n" if files else "")


@app.command()
def correct(
    run: Run,
    out: Annotated[Path | None, typer.Option(metavar="BETTER.h5", help="RUN-corrected.h5 unless given.")] = None,
    seed: FreshSeed = 0,
    problem: Given = None,
    threads: Threads = 1,
    as_json: Json = False,
) -> None:
    """Correct a run by the error that its own residual implies, and write the corrected run to a file of its own."""
    path = out or run.with_name(f"{run.stem}-corrected.h5")
    prepare(run, out=path, threads=threads)
    from .jobs import corrected, opened

    solution = opened(run, problem)
    with working("correction in the tangent space"), only_writer(path):
        found = corrected(solution, path, seed)
    print_report(found, as_json, path)


@app.command()
def certify(
    run: RunOrCertificate,
    enclosed: Annotated[
        bool,
        typer.Option("--enclosed", help="Enclose the misfits by intervals or Taylor models: only this is rigorous."),
    ] = False,
    slopes: Annotated[
        bool, typer.Option("--slopes", help="Bound the error's derivatives too, where an energy gives them.")
    ] = False,
    corrected: Annotated[
        bool, typer.Option("--corrected/--no-corrected", help="Bound the error through the corrected solution as well.")
    ] = True,
    time_limit: Annotated[
        float | None, typer.Option(min=0, metavar="S", help="Seconds after which no better bound is looked for.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE.json", help="Keep the certificate, with its proof where there is one.")
    ] = None,
    twin: Annotated[bool | None, typer.Option(hidden=True)] = None,  # the old name of corrected
    check: Annotated[
        bool, typer.Option("--check", help="Check the proof in a kept certificate (FILE.json) by rational numbers.")
    ] = False,
    picture: Picture = None,
    problem: Given = None,
    as_json: Json = False,
) -> None:
    """Bound the error of a run from above, by a theorem that fits its equation; or check a kept certificate."""
    if check:
        return _check(run, as_json)
    prepare(run, picture, out)
    from pinnkit.certificate.certify import certify as make

    from .jobs import opened_run

    solution = opened_run(run, problem)
    found = make(solution, enclosed, slopes, corrected if twin is None else twin, time_limit)
    files = {}
    if out is not None:
        from pinnkit.certificate.proof_file import write

        write(found, out)
        files["certificate"] = str(out)
    if picture is not None:
        from pinnkit.output.plot.certificate import plot_certificate
        from pinnkit.output.plot.layout import save_picture

        save_picture(plot_certificate(solution, found), picture)
        files["picture"] = str(picture)
    if as_json:
        print_json(found.to_dict() | {"files": files})
    else:
        print("\n".join([str(found), *(f"{name} in {file}" for name, file in files.items())]))


def _check(file: Path, as_json: bool) -> None:
    """The checker's findings; the command fails where the proof does not hold."""
    from pinnkit.certificate.proof_file import read, verified
    from pinnkit.tools.hdf5_check import shown

    contents = read(file)
    try:
        with working("checking"):
            found = verified(contents)
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error
    if as_json:
        print_json({"holds": found.holds, "coefficients": found.coefficients, "faults": found.faults})
    elif found.holds:
        print(f"the proof holds: {found.coefficients} Bernstein coefficients are positive (enclosures taken for given)")
    else:
        print(f"{file}: the proof does not hold: {'; '.join(map(shown, found.faults))}")
    if not found.holds:
        raise typer.Exit(1)


@app.command()
def plot(
    run: Run,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="The folder; that of the run file unless given.")
    ] = None,
    format: Annotated[str, typer.Option(help="png, pdf, svg ...")] = "png",
    problem: Given = None,
    as_json: Json = False,
) -> None:
    """Draw solution, error, points, slices and history of a run, and all in one: RUN-summary.png and so on."""
    from pinnkit.output.plot.layout import save_picture
    from pinnkit.output.plot.summary import figures

    from .jobs import opened

    folder = out or run.parent
    solution = opened(run, problem)
    prepare(run, picture=folder / f"{run.stem}-summary.{format}")
    files = {}
    for name, figure in figures(solution).items():
        files[name] = str(folder / f"{run.stem}-{name}.{format}")
        save_picture(figure, files[name])
    if as_json:
        print_json({"figures": files})
    else:
        print("\n".join(files.values()))


@app.command()
def export(
    run: Run,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FLOW.vtu", help="The file, RUN.vtu unless given; a .vtp file holds the boundary alone."),
    ] = None,
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
        Path | None, typer.Option(metavar="POINTS.vtp", help="Write the training points as well.")
    ] = None,
    of: Annotated[
        list[str], typer.Option(metavar="WHAT", help="The points' influence on this, as of `influence`; repeatable.")
    ] = [],  # noqa: B006
    problem: Given = None,
    threads: Threads = 1,
    as_json: Json = False,
) -> None:
    """Write a run for ParaView: fields on a mesh of the domain (.vtu, a series with .pvd), and its training points."""
    if of and points is None:
        raise ValueError(f"--of {of[0]} is a column of the training points: name their file, as --points points.vtp")
    prepare(run, threads=threads)
    from pinnkit.output.vtk.export import export_points, export_vtk

    from . import options
    from .jobs import InfluenceArguments, influenced, opened

    if blank := [name for name in derivative if not name.strip()]:
        raise ValueError(f"--derivative {blank[0]!r}: give the name of a derivative, as u_x")
    vectors = options.pairs(vector, "--vector")
    if of:
        model, found = influenced(run, problem, InfluenceArguments(tuple(of)))
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
        print_json({"files": files})
    else:
        print("\n".join(files.values()))
