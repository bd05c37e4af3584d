"""Run files: what goes in comes out, a resumed run ends in the same bits, and damage is noticed."""

import json
import math
import os
import random
import resource
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import h5py
import pytest
import torch
from torch import Tensor

import pinnkit as pk
from pinnkit.tools import hdf5, interrupt, serialise
from pinnkit.tools.compiler import kernels
from pinnkit.training import run_file as runfile
from pinnkit.training import run_tree
from pinnkit.training.optim import Objective, State, Step

SMALL = pk.MLP(2, 8, 8, 1)
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
RESAMPLERS = {
    "never": None,
    "rad": pk.rad(every=5, candidates=300, warm_up=1),
    "rar-d": pk.rar_d(every=5, candidates=300, add=10),
    "r3": pk.R3(every=5),
}


def short(**settings: Any) -> pk.Solution:
    given = {"stages": [pk.Adam(3), pk.SSBroyden(5)], "resample": RESAMPLERS["rad"], "log_every": 2, "validation": 50}
    return pk.solve(pk.problem("burgers"), SMALL, 60, progress=False, **given | settings)


def same(a: Any, b: Any) -> bool:
    """Equal to the last bit, tensors in dtype, shape and order in memory too."""
    if isinstance(a, Tensor):
        return a.dtype == b.dtype and torch.equal(a, b) and (a.numel() == 0 or a.stride() == b.stride())
    if isinstance(a, Mapping):
        return set(a) == set(b) and all(same(a[k], b[k]) for k in a)
    return type(a) is type(b) and (a == b or (isinstance(a, float) and math.isnan(a) and math.isnan(b)))


def sets(points: pk.Points) -> dict[str, Any]:
    return {k: {n: v for n, v in vars(s).items() if v is not None} for k, s in points.items()}


def test_a_small_file_holds_what_it_takes_to_use_the_solution(tmp_path: Path) -> None:
    solution = short()
    whole, small = (pk.save(solution, tmp_path / n, small=n == "small.h5") for n in ("run.h5", "small.h5"))
    assert small.stat().st_size < whole.stat().st_size / 3
    back = pk.load(small)
    assert same(back.theta, solution.theta) and same(sets(back.points), sets(solution.points))
    assert back.history == solution.history and back.progress is None and not back.rounds
    with pytest.raises(ValueError, match="no state of its training to resume"):
        pk.resume(back)


@pytest.mark.parametrize(
    "name, settings",
    [
        ("burgers", {"hard": False, "weights": {"u initial": 10.0}}),
        ("heat_inverse", {"resample": None}),
        ("drift_diffusion", {"hard": False, "network": pk.ModifiedMLP(2, 8, 8, 1, activation="sin")}),
        ("poisson_disk", {"network": pk.MLP(2, 8, 1, features=pk.Fourier(3, seed=4)), "dtype": torch.float32}),
        ("kovasznay", {"stages": [pk.LevenbergMarquardt(2)], "resample": pk.rar_g(every=1, add=3)}),
    ],
)
def test_a_solution_comes_back_whole(name: str, settings: dict[str, Any], tmp_path: Path) -> None:
    given = {"network": pk.MLP(2, 8, 3 if name == "kovasznay" else 1), "stages": [pk.Adam(2), pk.SSBroyden(3)]}
    given |= {"resample": pk.R3(every=2), "points": 50, "log_every": 1, "validation": 50, "progress": False}
    solution = pk.solve(pk.problem(name), **given | settings)
    assert pk.save(solution, tmp_path / "run.h5") == tmp_path / "run.h5"
    back = pk.load(tmp_path / "run.h5")
    assert same(back.theta, solution.theta) and same(sets(back.points), sets(solution.points))
    assert list(back.rounds) == list(solution.rounds)
    assert all(same(sets(back.rounds[i]), sets(points)) for i, points in solution.rounds.items())
    assert (back.network, back.model.hard) == (solution.network, solution.model.hard)
    assert (back.stops, back.notes) == (solution.stops, solution.notes)
    assert (dict(back.weights), back.versions) == (dict(solution.weights), solution.versions)
    assert same(dict(back.history.columns), dict(solution.history.columns)) and len(back.history) >= 2
    assert back.progress.plan == solution.progress.plan and back.progress.finished == solution.progress.finished
    assert same(back.progress.state, solution.progress.state)
    assert replace(back.progress, plan=None, state=None) != back.progress
    for part in ("stage", "iteration", "total", "round", "wall_s", "cpu_s"):
        assert getattr(back.progress, part) == getattr(solution.progress, part)
    X = back.problem.domain.sample(20)
    assert torch.equal(back(X), solution(X)) and back.unknowns == solution.unknowns


def test_any_hdf5_tool_reads_a_run(tmp_path: Path) -> None:
    solution = short(checkpoint=tmp_path / "run.h5")
    with h5py.File(tmp_path / "run.h5") as h5:
        assert (h5.attrs["format"], h5.attrs["version"]) == ("pinnkit-run", 2)
        assert json.loads(h5["problem"].attrs["parameters"]) == dict(solution.problem.parameters)
        assert h5["problem"].attrs["latex"].decode() == solution.problem.latex()
        assert h5["points/pde/X"].shape == (60, 2) and h5["grid/u:prediction"].shape == h5["grid/u:error"].shape
        assert h5["history/loss"][-1] == solution.history["loss"][-1]
        assert json.loads(h5.attrs["network"])["sizes"] == [2, 8, 8, 1]


def test_trees_keep_types_and_the_order_in_memory(tmp_path: Path) -> None:
    tree = {
        "yes": True, "n": 3, "x": 0.1, "nan": math.nan, "none": None, "text": "π/2, 100 %", "empty": "",
        "a/b %2F.": torch.arange(6.0).reshape(2, 3).T, ".": torch.tensor(2), "nothing": torch.zeros(0, 4),
        "mask": torch.tensor([True, False]), "deep": {"kind": "list", "i0": None, "i1": {"z": -1}}, "group": {},
    }  # fmt: skip
    hdf5.write(tmp_path / "tree.h5", "test", 1, tree)
    back = hdf5.read(tmp_path / "tree.h5", "test", 1)
    back = {k: back[k] for k in tree} | {"extra": len(back) - len(tree)}
    assert same(back, tree | {"extra": 2})  # format and version


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


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "run.h5"
    short(checkpoint=path)
    return path


def refused(path: Path, match: str | None = None) -> str:
    with pytest.raises(ValueError, match=match) as caught:
        pk.load(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
    return str(caught.value)


def test_truncated_files_are_refused(run: Path, tmp_path: Path) -> None:
    data, path = run.read_bytes(), tmp_path / "cut.h5"
    for size in (0, 1, 7, 8, 40, 100, 511, 1000, 2048, 5000, len(data) // 3, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:size])
        refused(path)


def test_a_flipped_bit_is_refused_or_means_nothing(run: Path, tmp_path: Path) -> None:
    data, path, rng = run.read_bytes(), tmp_path / "flipped.h5", random.Random(0)
    whole = hdf5.read(run, runfile.FORMAT, runfile.VERSION)
    refusals = 0
    for place in [*range(0, 200, 3), *rng.sample(range(200, len(data)), 150)]:
        flipped = bytearray(data)
        flipped[place] ^= 1 << rng.randrange(8)
        path.write_bytes(flipped)
        try:
            assert same(hdf5.read(path, runfile.FORMAT, runfile.VERSION), whole)
        except ValueError as error:
            assert str(path) in str(error) and "\n" not in str(error)
            refusals += 1
    assert refusals > 150


def test_foreign_files_are_refused(run: Path, tmp_path: Path) -> None:
    path = tmp_path / "other.h5"
    with pytest.raises(FileNotFoundError, match=r"there is no file .*other.h5"):
        pk.load(path)
    path.write_bytes(random.Random(0).randbytes(5000))
    refused(path, "not an HDF5 file")
    refused(tmp_path, "is a folder")
    with h5py.File(path, "w") as h5:
        h5["x"] = [1.0, 2.0]
    refused(path, "not one of format pinnkit-run")
    path.write_bytes(run.read_bytes())
    with h5py.File(path, "r+") as h5:
        h5.attrs["version"] = 3
    refused(path, "install a newer pinnkit")
    path.write_bytes(run.read_bytes())
    with h5py.File(path, "r+") as h5:
        del h5["theta"]
    refused(path, "incomplete.*theta")
    path.write_bytes(run.read_bytes())
    with h5py.File(path, "r+") as h5:
        h5["theta"][0] += 1.0
    refused(path, "checksum of /theta")


def test_notes_of_ones_own_may_be_added_to_a_run(run: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.h5"
    path.write_bytes(run.read_bytes())
    with h5py.File(path, "r+") as h5:
        h5.attrs["who"] = "me"
    assert same(pk.load(path).theta, pk.load(run).theta)


def test_a_file_that_cannot_be_written_leaves_the_old_one(run: Path, tmp_path: Path) -> None:
    path, solution = tmp_path / "run.h5", pk.load(run)
    pk.save(solution, path)
    before = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    for size in (100, 5_000, len(before) - 10_000):
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
        try:
            with pytest.raises(OSError, match="cannot be written .*what was there before is untouched"):
                pk.save(solution, path)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert path.read_bytes() == before and os.listdir(tmp_path) == ["run.h5"]
    with pytest.raises(OSError, match="the folder .* does not exist"):
        pk.save(solution, tmp_path / "no" / "run.h5")
    with pytest.raises(OSError, match="is a folder"):
        pk.save(solution, tmp_path)


def test_a_place_that_cannot_be_written_is_noticed_before_training(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="does not exist"):
        short(stages=[pk.Adam(10**9)], checkpoint=tmp_path / "no" / "run.h5")


def test_a_disk_that_fills_up_does_not_cost_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, write = tmp_path / "run.h5", hdf5.write

    def fills_up(*arguments: Any) -> Path:
        if path.exists():
            raise OSError("the disk is full")
        return write(*arguments)

    monkeypatch.setattr(hdf5, "write", fills_up)
    solution = short(checkpoint=path, checkpoint_every=0.0)
    assert solution.progress.done
    assert solution.notes[-1] == "not saved: the disk is full; nor elsewhere: the disk is full"


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
    refused(path, r"is not executed unasked: give problem=pinnkit.from_file\(.*mine.py', nu=0.05\), in a shell --prob")
    assert not trace.exists()
    assert same(pk.load(path, pk.from_file(file, nu=0.05)).theta, solution.theta) and trace.exists()


def test_a_solution_is_loaded_onto_a_device(run: Path) -> None:
    back = pk.load(run, device="cpu")
    assert same(back.progress.state, pk.load(run).progress.state) and back.theta.device.type == "cpu"


def test_a_resume_with_other_arithmetic_says_so(run: Path) -> None:
    solution = pk.load(run)
    assert solution.versions["kernels"] == kernels() and solution.versions["threads"] == str(torch.get_num_threads())
    assert "resumed" not in pk.resume(solution, progress=False).versions
    for name in ("torch", "kernels", "simd", "threads"):
        other = replace(solution, versions={**solution.versions, name: "ELSE"})
        with pytest.warns(UserWarning, match=rf"other arithmetic \({name} ELSE, here .*\): its last bits will differ"):
            done = pk.resume(other, progress=False)
        said = dict(pk.report(done, estimate=False).rows())["computed with"]
        assert f"gone on with elsewhere ({name} ELSE, here {solution.versions[name]})" in said


def test_a_file_that_would_mean_another_function_is_refused(run: Path, tmp_path: Path, monkeypatch: Any) -> None:
    path = tmp_path / "run.h5"
    path.write_bytes(run.read_bytes())
    with monkeypatch.context() as patched:  # as another version might build the ansatz
        patched.setattr(pk.Model, "ansatz", property(lambda self: {}))
        refused(path, "builds the solution otherwise than the one that wrote it")
    assert len(pk.load(path).theta)
    with h5py.File(path, "r+") as h5:
        del h5["probe"]
        h5.attrs["version"] = 1
    assert len(pk.load(path).theta)
    with monkeypatch.context() as patched:
        patched.setattr(pk.Model, "notes", property(lambda self: ("u initial is trained softly",)))
        refused(path, "u initial is trained softly; solve the problem again")


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
