"""Scores, modules, optimisers and problems of a user's own: a run file asks for them, or knows registered ones."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import h5py
import pytest
import torch
from run_files import SMALL, refused, same, short
from torch import Tensor

import pinnkit as pk
from pinnkit.tools import serialise
from pinnkit.training.optim import Objective, State, Step


def mine(solution: pk.Solution, key: str, candidates: pk.PointSet) -> Tensor:
    return 1 + candidates.X[:, 0] ** 2


def test_a_score_of_ones_own_is_asked_for_again(tmp_path: Path) -> None:
    path, own = tmp_path / "run.h5", pk.Resample(score=mine, every=3, candidates=200, warm_up=0)

    def interrupt(solution: pk.Solution) -> None:
        if solution.progress.total == 4:
            raise KeyboardInterrupt

    with pytest.warns(UserWarning, match="cannot hold mine: give it again to pinnkit.load"):
        short(resample=own, checkpoint=path, observe=interrupt)
    with pytest.raises(ValueError, match="could not hold mine"):
        pk.resume(pk.load(path), progress=False)
    with pytest.warns(UserWarning, match="cannot hold mine"):
        pk.save(pk.load(path), path)
    end = pk.resume(pk.load(path, resample=own), progress=False)
    assert same(end.theta, short(resample=own).theta)


def test_a_module_of_ones_own_is_asked_for_again(tmp_path: Path) -> None:
    own = pk.Module(
        torch.nn.Sequential(torch.nn.Linear(2, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1)), backend="autograd"
    )
    settings = {"stages": [pk.Adam(2)], "progress": False, "validation": 20}
    solution = pk.solve(pk.problem("burgers"), own, 20, **settings)
    with pytest.warns(UserWarning, match="cannot hold Module"):
        pk.save(solution, tmp_path / "run.h5")
    refused(tmp_path / "run.h5", r"does not hold Module: give network=\.\.\. to pinnkit.load")
    with pytest.raises(ValueError, match="holds 17 parameters, this network and problem have 105"):
        pk.load(tmp_path / "run.h5", network=SMALL)
    assert same(pk.load(tmp_path / "run.h5", network=own).theta, solution.theta)


def test_a_problem_is_found_again_or_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "run.h5"
    solution = pk.solve(pk.problem("burgers", nu=0.02), SMALL, 60, stages=[pk.Adam(1)], checkpoint=path, progress=False)
    assert pk.load(path).problem.parameters == {"nu": 0.02}
    assert pk.load(path, solution.problem).problem is solution.problem
    with pytest.raises(ValueError, match=r"parameters are \{'nu': 0.02\}, the problem's \{'nu': 0.03\}"):
        pk.load(path, pk.problem("burgers", nu=0.03))
    with pytest.raises(ValueError, match="holds no solution of this problem 'heat'"):
        pk.load(path, pk.problem("heat"))
    with h5py.File(path) as h5:
        assert "statement" not in h5["problem"]


def test_a_file_with_the_problem_is_never_executed_unasked(tmp_path: Path) -> None:
    file, path, trace = tmp_path / "mine.py", tmp_path / "run.h5", tmp_path / "executed"
    file.write_text(
        f"import pathlib, pinnkit\npathlib.Path({str(trace)!r}).touch()\n"
        "def problem(nu: float = 0.1):\n    return pinnkit.problem('burgers', nu=nu)\n"
    )
    own = pk.from_file(file, nu=0.05)
    solution = pk.solve(own, SMALL, 60, stages=[pk.Adam(1)], checkpoint=path, progress=False)
    trace.unlink()
    back = pk.load(path)
    assert same(back.theta, solution.theta) and back.problem.parameters == {"nu": 0.05}
    with h5py.File(path, "r+") as h5:  # as earlier versions wrote it
        del h5["problem/statement"]
    refused(path, r"is not run by itself: give problem=pinnkit.from_file\(.*mine.py', nu=0.05\), in a shell --prob")
    assert not trace.exists()
    assert same(pk.load(path, pk.from_file(file, nu=0.05)).theta, solution.theta) and trace.exists()


@dataclass(frozen=True)
class Descent:
    """An optimiser of a user's own: plain gradient descent."""

    iterations: int = 10
    lr: float = 1e-3

    def start(self, theta: Tensor, objective: Objective) -> State:
        return {"steps": 0}

    def renew(self, state: State) -> State:
        return dict(state)

    def step(self, theta: Tensor, state: State, objective: Objective) -> tuple[Tensor, State, Step]:
        losses, gradient = objective.loss_and_gradient(theta)
        return theta - self.lr * gradient, {"steps": state["steps"] + 1}, Step(losses)


def test_an_optimiser_of_ones_own_is_resumed_once_it_is_registered(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(serialise, "_KNOWN", dict(serialise._KNOWN))
    path, stages = tmp_path / "run.h5", [Descent(20, lr=2e-3)]

    def interrupt(solution: pk.Solution) -> None:
        if solution.progress.total == 4:
            raise KeyboardInterrupt

    with pytest.warns(UserWarning, match="cannot hold Descent"):
        short(stages=stages, checkpoint=path, observe=interrupt)
    with pytest.raises(ValueError, match=r"pk\.register\(Descent\)"):
        pk.resume(pk.load(path), progress=False)
    given = pk.load(path, stages=stages)
    assert same(pk.resume(given, progress=False).theta, short(stages=stages).theta)
    with pytest.raises(ValueError, match="was trained by 1 stages, and 2 are given"):
        pk.load(path, stages=[*stages, *stages])
    pk.register(Descent)
    half = pk.load(path)
    assert pk.resume(half, time_limit=0.0, progress=False).progress.total == 4
    assert half.progress.plan.stages == tuple(stages) and half.progress.state == {"steps": 4}
    assert same(pk.resume(half, progress=False).theta, short(stages=stages).theta)


def test_a_class_of_ones_own_may_have_settings_of_any_name(monkeypatch) -> None:
    @dataclass(frozen=True)
    class Sized:
        sizes: tuple[int, ...] = (1, 2)

    monkeypatch.setattr(serialise, "_KNOWN", dict(serialise._KNOWN))
    pk.register(Sized)
    assert serialise.decode(json.loads(json.dumps(serialise.encode(Sized((3, 4)))))) == Sized((3, 4))


def test_a_name_is_registered_once() -> None:
    class Adam:
        pass

    with pytest.raises(TypeError, match="neither a function, nor a dataclass"):
        pk.register(Adam)
    with pytest.raises(ValueError, match="the name Adam is taken by pinnkit"):
        pk.register(dataclass(Adam))
    with pytest.raises(TypeError, match="neither a function"):
        pk.register(3)


def test_a_file_loads_nothing_that_files_do_not_name() -> None:
    code = """
import sys
from pinnkit.tools import serialise
for name in ("plot", "Report", "to_deepxde"):
    try:
        serialise.decode({"class": name})
        raise SystemExit(name)
    except ValueError as error:
        assert "is not known here" in str(error)
assert not [m for m in sys.modules if m.startswith(("pinnkit.output", "matplotlib"))]
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
