"""The job of a march: solved in windows that have a folder beside the run file until all are there."""

from pathlib import Path
from typing import Any

from pinnkit.model.march import March
from pinnkit.training import run_file as runfile
from pinnkit.training.time_windows import march

from . import options
from .jobs import SolveArguments

AUTO = "auto"


def marched(
    wish: SolveArguments, windows: str, correct: bool, *, file: Path, resume: bool, overwrite: bool, progress: bool
) -> March:
    """A march, written to a file once its last window is solved; until then a folder keeps what is there.

    Raises:
        ValueError: a number of windows that is none, "auto" without --correct, windows of an earlier march that were
            neither to be gone on with nor overwritten, or a wish that cannot be met.
    """
    folder, problem = file.with_name(f"{file.stem}-windows"), wish.problem()
    kept = sorted(folder.glob("window_*.h5"))
    if kept and not (resume or overwrite):
        raise ValueError(f"{folder} holds windows of a march: --resume goes on with them, --overwrite starts anew")
    for path in () if resume else kept:
        path.unlink()
    settings: dict[str, Any] = wish.settings(problem)
    found = march(
        problem, _number(windows, correct), settings.pop("network", None), settings.pop("points", None), **settings,
        correct=correct, folder=folder, seed=wish.seed or 0, dtype=options.number_type(wish.dtype or "float64"),
        device=options.processor(wish.device), time_limit=wish.time_limit, progress=progress,
    )  # fmt: skip
    if found.progress.done:
        runfile.save(found, file)
        for path in folder.glob("window_*.h5"):
            path.unlink()
        if not any(folder.iterdir()):
            folder.rmdir()
    return found


def _number(windows: str, correct: bool) -> int | None:
    if windows == AUTO:
        if not correct:
            raise ValueError("--windows auto goes by the verdicts of corrected windows: give --correct too")
        return None
    if not windows.isdecimal() or int(windows) < 1:
        raise ValueError(f"--windows {windows}: expected a whole number of at least 1, or auto")
    return int(windows)
