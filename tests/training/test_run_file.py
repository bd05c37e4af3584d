"""Run files: what goes in comes out, and damage is noticed."""

import json
import math
import os
import random
import resource
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import pytest
import torch
from run_files import refused, same, sets, short

import pinnkit as pk
from pinnkit.tools import hdf5
from pinnkit.tools.compiler import kernels
from pinnkit.training import run_file as runfile


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


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "run.h5"
    short(checkpoint=path)
    return path


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
        assert f"resumed elsewhere ({name} ELSE, here {solution.versions[name]})" in said


def test_a_file_that_would_mean_another_function_is_refused(run: Path, tmp_path: Path, monkeypatch: Any) -> None:
    path = tmp_path / "run.h5"
    path.write_bytes(run.read_bytes())
    with monkeypatch.context() as patched:  # as another version might build the ansatz
        patched.setattr(pk.Model, "ansatz", property(lambda self: {}))
        refused(path, "builds the solution differently from the one that wrote it")
    assert len(pk.load(path).theta)
    with h5py.File(path, "r+") as h5:
        del h5["probe"]
        h5.attrs["version"] = 1
    assert len(pk.load(path).theta)
    with monkeypatch.context() as patched:
        patched.setattr(pk.Model, "notes", property(lambda self: ("u initial is trained softly",)))
        refused(path, "u initial is trained softly; solve the problem again")
