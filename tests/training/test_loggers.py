"""Loggers: what TensorBoard, W&B and MLflow hold of a run is its history."""

import numpy as np
import pytest

import pinnkit as pk

QUIET = {"stages": [pk.Adam(20)], "log_every": 5, "validation": 50, "progress": False}


def train(*callbacks, **more):
    return pk.solve(pk.problem("heat"), pk.MLP(2, 6, 1), 30, callbacks=callbacks, **QUIET | more)


@pytest.mark.parametrize(
    ("package", "logger"),
    [
        ("tensorboard", pk.TensorBoardLogger("logs")), ("wandb", pk.WandbLogger("p", mode="offline")),
        ("mlflow", pk.MLflowLogger("logs")),
    ],
)  # fmt: skip
def test_without_the_package_the_extra_is_named(package, logger, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, package, None)
    with pytest.raises(ImportError, match=rf"{type(logger).__name__} needs {package}.*'pinnkit\[{package}\]'"):
        train(logger)


@pytest.mark.extras
@pytest.mark.filterwarnings("ignore")
def test_tensorboard_holds_the_history_of_a_resumed_run_once(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log = pk.TensorBoardLogger(tmp_path)
    stopped = train(log, pk.StopAt(wall_s=0))
    done = pk.resume(stopped, callbacks=[log], progress=False)
    held = EventAccumulator(str(tmp_path)).Reload()
    rows = held.Scalars("validation/pde")
    assert [row.step for row in rows] == done.history["iteration"].tolist() == [5, 10, 15, 20]
    assert np.allclose([row.value for row in rows], done.history["validation:pde"], rtol=1e-6)


@pytest.mark.extras
@pytest.mark.filterwarnings("ignore")
def test_wandb_keeps_a_run_offline(tmp_path):
    pytest.importorskip("wandb")
    train(pk.WandbLogger("heat", mode="offline", dir=str(tmp_path)))
    (held,) = tmp_path.glob("wandb/offline-run-*/run-*.wandb")
    assert b"validation/pde" in held.read_bytes()


@pytest.mark.extras
@pytest.mark.filterwarnings("ignore")
def test_mlflow_holds_history_and_settings(tmp_path):
    mlflow = pytest.importorskip("mlflow")
    logger = pk.MLflowLogger(tmp_path, "heat", "first")
    done = train(logger)
    client = mlflow.MlflowClient(tracking_uri=tmp_path.as_uri())
    (run,) = client.search_runs([client.get_experiment_by_name("heat").experiment_id])
    found = client.get_metric_history(run.info.run_id, "loss")
    assert [m.step for m in found] == done.history["iteration"].tolist()
    assert np.allclose([m.value for m in found], done.history["loss"])
    assert run.data.params["problem"] == "heat" and run.info.status == "FINISHED" and run.info.run_name == "first"
