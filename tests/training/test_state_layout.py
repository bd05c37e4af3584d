"""A state that a file holds is one of its stage, or is refused with the file's name before it is gone on with."""

import zlib
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from run_files import short
from test_resume import STAGES

import pinnkit as pk


@pytest.fixture(scope="module", params=STAGES)
def begun(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was interrupted in its last stage."""
    path = tmp_path_factory.mktemp(request.param) / "run.h5"

    def interrupt(solution: pk.Solution) -> None:
        if solution.progress.total == 8:
            raise KeyboardInterrupt

    short(stages=STAGES[request.param], resample=None, log_every=1, checkpoint=path, observe=interrupt)
    return path


def entries(path: Path) -> list[str]:
    """Every array and every number of the state, by its path in the file."""
    found: list[str] = []
    with h5py.File(path) as h5:
        state = h5["progress/state"]
        found += [f"@{name}" for name in state.attrs]
        state.visititems(lambda name, item: found.append(name) if isinstance(item, h5py.Dataset) else None)
    return found


FORGED = {
    "shape": lambda a: np.zeros((2, 5)),
    "cut": lambda a: a[..., :1] if a.ndim and a.size > 1 else np.zeros((3, 1, 2)),
    "dtype": lambda a: np.asarray(a, "i8"),
}


def test_a_forged_state_is_refused_by_the_files_name(begun: Path, tmp_path: Path) -> None:
    path = tmp_path / "forged.h5"
    names = entries(begun)
    assert names
    for name in [*names[:4], *names[-4:]]:
        for forge in FORGED.values():
            path.write_bytes(begun.read_bytes())
            with h5py.File(path, "r+") as h5:
                state = h5["progress/state"]
                if name.startswith("@"):
                    state.attrs[name[1:]] = -1.5
                else:
                    array = np.ascontiguousarray(forge(state[name][()]))
                    del state[name]
                    state.create_dataset(name, data=array).attrs["crc32"] = zlib.crc32(array.data)
            solution = pk.load(path)
            try:
                pk.resume(solution, progress=False, time_limit=0.0)
            except ValueError as error:
                assert str(path) in str(error) and "\n" not in str(error)
                continue
            assert name in ("@damping", "@gain", "@grow", "@scale") or "optimiser" in name, (name, forge)


@pytest.mark.parametrize("stage", ["adam", "ssbroyden", "lbfgs", "lm"])
def test_a_state_that_lacks_an_entry_is_refused_also_as_a_start(stage: str, tmp_path: Path) -> None:
    path, name = tmp_path / "run.h5", {"adam": "m", "ssbroyden": "H", "lbfgs": "S", "lm": "grow"}[stage]
    short(stages=STAGES[stage][-1:], resample=None, time_limit=0.5, checkpoint=path)
    with h5py.File(path, "r+") as h5:
        state = h5["progress/state"]
        del (state.attrs if name in state.attrs else state)[name]
    with pytest.raises(ValueError, match=rf"run\.h5 .*{name}"):
        pk.solve(start=pk.load(path), stages=STAGES[stage][-1:], progress=False)


def test_a_number_that_adam_lost_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "run.h5"
    solution = short(stages=[pk.Adam(9)], resample=None, time_limit=0.0)
    lost = {**solution.progress.plan.stages[0].start(solution.theta, None)}
    lost["v"][3] = torch.nan
    pk.save(replace(solution, progress=replace(solution.progress, state=lost)), path)
    with pytest.raises(ValueError, match=r"run\.h5 .*'v' in the state of Adam is a Tensor .*none of them NaN"):
        pk.resume(pk.load(path), progress=False)


@pytest.mark.parametrize(
    ("name", "value"), [("stage", 9), ("iteration", -1), ("total", 2**62), ("round", 0.5), ("wall_s", np.nan)]
)
def test_a_run_stands_somewhere_in_its_plan(name: str, value: float, tmp_path: Path) -> None:
    path = tmp_path / "run.h5"
    short(stages=[pk.Adam(9)], resample=None, time_limit=0.0, checkpoint=path)
    with h5py.File(path, "r+") as h5:
        h5["progress"].attrs[name] = value
    with pytest.raises(ValueError, match=rf"run\.h5 .*progress: {name} is {value}"):
        pk.load(path)
