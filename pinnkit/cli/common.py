"""What several commands share: options, and how results are printed."""

import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pinnkit.tools.atomic_file import check_or_make_folder

if TYPE_CHECKING:  # torch and sympy take seconds to load: help and lists do without them
    from pinnkit.model.march import March
    from pinnkit.model.solution import Solution

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Given = Annotated[Path | None, typer.Option("--problem", metavar="FILE.py", help="The file that states the problem.")]
Run = Annotated[Path, typer.Argument(metavar="RUN.h5", help="A run file.")]
Target = Annotated[str, typer.Argument(metavar="NAME|FILE.py", help="A problem of the catalogue, or a file with one.")]
Arguments = Annotated[
    list[str] | None, typer.Option("--set", metavar="K=V", help="An argument of the problem; repeatable.")
]
Threads = Annotated[int, typer.Option(min=1, max=4096, help="Torch threads; more than 1 is slower on usual sizes.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Show no progress.")]
FreshSeed = Annotated[int, typer.Option("--seed", min=0, max=2**62, help="Of the fresh points.")]
Kept = Annotated[Path | None, typer.Option("--out", metavar="FILE.h5", help="Write all that was found to a file.")]
Picture = Annotated[Path | None, typer.Option("--picture", metavar="FILE.png", help="Draw what was found.")]


def prepare(run: Path, picture: Path | None = None, out: Path | None = None, threads: int | None = None) -> None:
    """Before any work: a picture's suffix is a format that can be drawn; files can be written, in folders made here.

    None of them is the run, which would be lost. Torch is given its number of threads.
    """
    if picture is not None:
        from matplotlib.backend_bases import FigureCanvasBase

        if not picture.suffix:
            raise ValueError(f"{picture}: give a file with its format, as {picture}.png")
        if picture.suffix[1:].lower() not in (known := FigureCanvasBase.get_supported_filetypes()):
            raise ValueError(f"{picture}: no such format, choose one of {', '.join(known)}")
    for path in (picture, out):
        if path is not None:
            check_or_make_folder(path)
            if path.exists() and run.exists() and path.samefile(run):
                raise ValueError(f"{path} is the run itself, which would be lost: give another name")
    if threads is not None:
        import torch

        torch.set_num_threads(threads)


def print_report(solution: "Solution | March", as_json: bool, path: Path | None, estimate: bool = True) -> None:
    """The report, and the file that the solution is in, if it is in one."""
    from pinnkit.output.report import report as make
    from pinnkit.tools.progress import working

    with working("residuals on fresh points" + ", estimate of the error" * estimate):
        found = make(solution, estimate)
    if as_json:
        print_json(found.to_dict() | {"file": None if path is None else str(path)})
        return
    if sys.stdout.isatty():
        from rich.console import Console

        Console().print(found)
    else:
        print(found)
    if path is not None:
        print(f"in {path}")


def print_json(data: Any) -> None:
    """JSON that every reader takes: what is not finite becomes null."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: plain(v) for k, v in value.items()}
        if isinstance(value, (list, tuple)):
            return [plain(v) for v in value]
        return None if isinstance(value, float) and not math.isfinite(value) else value

    print(json.dumps(plain(data), indent=2, allow_nan=False))
