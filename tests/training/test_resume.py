"""A resumed run ends in the same bits, however it was ended: by time, Ctrl-C or kill -9."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from run_files import RESAMPLERS, same, sets, short

import pinnkit as pk
from pinnkit.tools import interrupt
from pinnkit.training import run_tree

STAGES = {
    "adam": [pk.Adam(24)],
    "lbfgs": [pk.Adam(4), pk.LBFGS(20)],
    "ssbroyden": [pk.Adam(4), pk.SSBroyden(20)],
    "lm": [pk.Adam(4), pk.LevenbergMarquardt(20)],
    "soap": [pk.SOAP(24)],
    "torch": [
        pk.Torch(
            "RAdam", 24, settings={"betas": (0.9, 0.99)}, schedule="OneCycleLR", schedule_settings={"max_lr": 0.01}
        )
    ],
}


@pytest.mark.parametrize(
    "stages, resample",
    [(s, r) for s in STAGES for r in RESAMPLERS if r == "rad" or s == "ssbroyden"],
)
def test_a_resumed_run_ends_in_the_same_bits(stages: str, resample: str, tmp_path: Path) -> None:
    settings = {"stages": STAGES[stages], "resample": RESAMPLERS[resample], "log_every": 1}
    whole = short(**settings)
    for stop in (3, 5, 11, 20):

        def interrupt(solution: pk.Solution, at: int = stop) -> None:
            if solution.progress.total == at:
                raise KeyboardInterrupt

        part = short(**settings, checkpoint=tmp_path / "run.h5", observe=interrupt)
        assert part.progress.total == stop and part.stops[-1].startswith("interrupted")
        end = pk.resume(pk.load(tmp_path / "run.h5"), checkpoint=tmp_path / "run.h5", progress=False)
        assert same(end.theta, whole.theta) and same(sets(end.points), sets(whole.points))
        assert list(end.rounds) == list(whole.rounds)
        assert same(run_tree._visible(end.progress.state), run_tree._visible(whole.progress.state))
        for name in set(whole.history.columns) - {"wall_s", "cpu_s"}:
            assert (end.history[name] == whole.history[name]).all()
        assert same(pk.load(tmp_path / "run.h5").theta, whole.theta)


def test_a_run_that_ran_out_of_time_is_resumed(tmp_path: Path) -> None:
    whole = short()
    part = short(time_limit=0.0, checkpoint=tmp_path / "run.h5")
    assert part.progress.total == 0 and "time limit" in part.stops[-1] and len(part.history) == 1
    back = pk.load(tmp_path / "run.h5")
    plan = replace(back.progress.plan, time_limit=None)
    assert same(pk.resume(replace(back, progress=replace(back.progress, plan=plan)), progress=False).theta, whole.theta)


def test_ctrl_c_waits_for_the_end_of_a_step_and_the_second_one_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def once(solution: pk.Solution) -> None:
        signal.raise_signal(signal.SIGINT)

    def twice(solution: pk.Solution) -> None:
        if solution.progress.total == 4:
            once(solution), once(solution)

    before, path = signal.getsignal(signal.SIGINT), tmp_path / "run.h5"
    part = short(observe=once, checkpoint=path)
    assert part.progress.total == 2 and part.stops == ("interrupted (iteration 2)",)
    assert short(observe=lambda s: (once(s), once(s))).stops == part.stops  # at once, as of a session that ends
    monkeypatch.setattr(interrupt, "AGAIN", 0.0)
    with pytest.raises(KeyboardInterrupt):
        pk.resume(pk.load(path), observe=twice, checkpoint=path, progress=False)
    assert pk.load(path).progress.total == 2 and signal.getsignal(signal.SIGINT) is before
    assert same(pk.resume(pk.load(path), progress=False).theta, short().theta)


def killed(folder: Path, kills: int, seed: int) -> dict[str, Any]:
    script = Path(__file__).parents[1] / "helpers" / "kill.py"
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    command = [sys.executable, str(script), str(folder), str(kills), str(seed)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.skipif(os.name == "nt", reason="there is no fork")
def test_kill_nine_costs_nothing_but_time(tmp_path: Path) -> None:
    found = killed(tmp_path, 5, 0)
    assert found["readable"] == 5 and found["kills"] >= 4 and found["same"]


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="there is no fork")
def test_kill_nine_twenty_times(tmp_path: Path) -> None:
    found = killed(tmp_path, 20, 1)
    assert found["readable"] == 20 and found["kills"] >= 18 and found["same"]
