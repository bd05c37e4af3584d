"""Callbacks that keep a run's history with TensorBoard, Weights & Biases and MLflow."""

import math
import os
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from typing_extensions import override

from pinnkit.model.solution import Solution
from pinnkit.tools.checked import checked
from pinnkit.tools.optional import optional

from .callbacks import Callback


class HistoryLogger(Callback, ABC):
    """A callback that hands every row of the history on: those so far at the start, then each as it comes."""

    @override
    def on_start(self, solution: Solution) -> None:
        """Open the log, and write the settings and the history so far.

        Args:
            solution: the solution to begin with.
        """
        self._open(_settings(solution))
        for i in range(len(solution.history)):
            self._write(_finite(solution.history.row(i)))

    @override
    def on_log(self, solution: Solution) -> None:
        """Write the last row.

        Args:
            solution: the solution so far.
        """
        self._write(_finite(solution.history.row(-1)))

    @override
    def on_end(self, solution: Solution) -> None:
        """Close the log.

        Args:
            solution: the solution at the end.
        """
        self._close(solution)

    @abstractmethod
    def _open(self, settings: Mapping[str, str]) -> None:
        """Begin a log with the settings of a run by name."""

    @abstractmethod
    def _write(self, row: Mapping[str, float]) -> None:
        """Write one row of the history, of which "iteration" is the step."""

    @abstractmethod
    def _close(self, solution: Solution) -> None:
        """End the log."""


def _settings(solution: Solution) -> dict[str, str]:
    plan = solution.progress.plan
    return {
        "problem": solution.problem.name, "network": str(solution.network), "parameters": str(len(solution.theta)),
        "points": str(solution.points), "stages": ", ".join(map(str, plan.stages)), "seed": str(plan.seed),
    }  # fmt: skip


def _finite(row: Mapping[str, float]) -> dict[str, float]:
    """The numbers of a row that are finite, with names that all loggers take: "train/pde" for "train:pde"."""
    named = {re.sub(r"[^\w./ -]", "_", name.replace(":", "/")): float(value) for name, value in row.items()}
    return {name: value for name, value in named.items() if math.isfinite(value)}


@checked
class TensorBoardLogger(HistoryLogger):
    """A callback that keeps the history of a run for TensorBoard; the extra ``tensorboard`` installs it.

    Args:
        folder: where the event files go; ``tensorboard --logdir`` shows it.

    Raises:
        ImportError: in a run, tensorboard is not installed.
        OSError: in a run, the folder cannot be written.

    Example:
        >>> import pinnkit as pk
        >>> pk.TensorBoardLogger("runs/burgers").folder
        PosixPath('runs/burgers')
    """

    folder: Path

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    def _open(self, settings: Mapping[str, str]) -> None:
        optional("tensorboard", "tensorboard", "TensorBoardLogger")
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(self.folder), purge_step=0)  # a resumed run is shown once
        for name, value in settings.items():
            self._writer.add_text(name, value, 0)

    def _write(self, row: Mapping[str, float]) -> None:
        for name, value in row.items():
            self._writer.add_scalar(name, value, int(row["iteration"]))
        self._writer.flush()

    def _close(self, solution: Solution) -> None:
        del solution
        self._writer.close()


@checked
class WandbLogger(HistoryLogger):
    """A callback that keeps the history of a run with Weights & Biases; the extra ``wandb`` installs it.

    Args:
        project: name of the project.
        settings: further arguments of ``wandb.init`` by name, as ``name="first", mode="offline", dir="logs"``.

    Raises:
        ImportError: in a run, wandb is not installed.

    Example:
        >>> import pinnkit as pk
        >>> pk.WandbLogger("burgers", mode="offline").project
        'burgers'
    """

    project: str
    settings: dict[str, Any]

    def __init__(self, project: str = "pinnkit", **settings: Any) -> None:
        self.project, self.settings = project, settings

    def _open(self, settings: Mapping[str, str]) -> None:
        wandb = optional("wandb", "wandb", "WandbLogger")
        config = dict(settings) | dict(self.settings.get("config", {}))
        self._run = wandb.init(project=self.project, **(self.settings | {"config": config}))

    def _write(self, row: Mapping[str, float]) -> None:
        self._run.log(dict(row), step=int(row["iteration"]))

    def _close(self, solution: Solution) -> None:
        self._run.summary["stops"] = list(solution.stops)
        self._run.finish()


@checked
class MLflowLogger(HistoryLogger):
    """A callback that keeps the history of a run with MLflow; the extra ``mlflow`` installs it.

    Args:
        uri: the tracking store: a folder, or what MLflow takes, as "sqlite:///runs.db" or "http://host:5000". For a
            folder ``MLFLOW_ALLOW_FILE_STORE`` is set, without which newer versions of MLflow write none.
        experiment: name of the experiment, which is made where it is missing.
        run_name: name of the run. Default None: MLflow's.

    Raises:
        ImportError: in a run, mlflow is not installed.

    Example:
        >>> import pinnkit as pk
        >>> pk.MLflowLogger("mlruns", "burgers").experiment
        'burgers'
    """

    uri: str
    experiment: str
    run_name: str | None

    def __init__(self, uri: str | Path = "mlruns", experiment: str = "pinnkit", run_name: str | None = None) -> None:
        text = str(uri)
        self.uri = text if ":" in text else Path(text).absolute().as_uri()
        self.experiment, self.run_name = experiment, run_name

    def _open(self, settings: Mapping[str, str]) -> None:
        if self.uri.startswith("file:"):
            os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
        self._client = optional("mlflow", "mlflow", "MLflowLogger").MlflowClient(tracking_uri=self.uri)
        found = self._client.get_experiment_by_name(self.experiment)
        number = self._client.create_experiment(self.experiment) if found is None else found.experiment_id
        self._run = self._client.create_run(number, run_name=self.run_name).info.run_id
        for name, value in settings.items():
            self._client.log_param(self._run, name, value[:500])

    def _write(self, row: Mapping[str, float]) -> None:
        now = int(time.time() * 1000)
        for name, value in row.items():  # a folder holds no file "validation" beside a folder of that name
            self._client.log_metric(self._run, name.replace("/", "."), value, timestamp=now, step=int(row["iteration"]))

    def _close(self, solution: Solution) -> None:
        self._client.set_tag(self._run, "stops", "; ".join(solution.stops))
        self._client.set_terminated(self._run)
