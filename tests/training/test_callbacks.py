"""Callbacks: when hooks are called and with what, what ends a run, what is saved before an exception goes on."""

import csv

import pytest
import torch

import pinnkit as pk
import problems
from pinnkit.training.callbacks import HOOKS

QUIET = {"progress": False, "validation": 50, "resample": None, "log_every": 5}
NET = pk.MLP(2, 6, 1)


def short(**settings):
    stages = settings.pop("stages", [pk.Adam(20), pk.SSBroyden(20)])
    return pk.solve(problems.diffusion(), NET, {"pde": 60}, stages=stages, **QUIET | settings)


class Diary:
    """Every hook, with the iteration that it was called at."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, int]] = []
        self.solutions: list[pk.Solution] = []

    def __getattr__(self, name: str):
        if name not in HOOKS:
            raise AttributeError(name)

        def hook(solution: pk.Solution) -> None:
            self.seen.append((name, solution.progress.total))
            self.solutions.append(solution)

        return hook

    def at(self, name: str) -> list[int]:
        return [i for hook, i in self.seen if hook == name]


class Ends:
    """Ends a run at the n-th call of a hook, by what it returns or raises."""

    def __init__(self, hook: str, how: object, n: int = 1) -> None:
        self.calls = 0

        def called(solution: pk.Solution) -> object:
            self.calls += 1
            if self.calls < n:
                return None
            if isinstance(how, BaseException):
                raise how
            return how

        setattr(self, hook, called)


def test_every_hook_is_called_at_its_time():
    diary = Diary()
    solution = short(callbacks=diary, resample=pk.rad(every=10, after=10))
    assert diary.seen[0] == ("on_start", 0) and diary.seen[-1] == ("on_end", 40)
    assert diary.at("on_log") == [5, 10, 15, 20, 25, 30, 35, 40] == solution.history["iteration"].tolist()
    assert diary.at("on_stage") == [20, 40] and diary.at("on_resample") == [11, 21, 31]
    before, after = (diary.solutions[diary.seen.index(("on_resample", i))].points["pde"].X for i in (11, 21))
    assert not torch.equal(before, after)
    assert diary.solutions[-1] is solution


def test_what_a_hook_sees_is_a_solution_that_can_be_resumed():
    diary = Diary()
    whole = short(callbacks=[diary])
    seen = diary.solutions[diary.seen.index(("on_log", 25))]
    assert not torch.equal(seen.theta, whole.theta)
    assert torch.equal(pk.resume(seen, progress=False).theta, whole.theta)


def test_callbacks_change_no_bit():
    assert torch.equal(short(callbacks=[Diary(), pk.Patience(100)]).theta, short().theta)


@pytest.mark.parametrize("how", [pk.STOP, StopIteration(), StopIteration("enough is enough")])
@pytest.mark.parametrize(("hook", "n", "at"), [("on_start", 1, 0), ("on_log", 3, 15), ("on_stage", 1, 20)])
def test_a_hook_ends_the_run_with_its_solution(hook, n, at, how):
    cut = short(callbacks=[Ends(hook, how, n)])
    assert not cut.progress.done and cut.progress.total == at
    said = ": enough is enough" if str(how) == "enough is enough" else ""
    assert cut.stops[-1] == f"stopped by Ends{said} (iteration {at})"
    assert torch.equal(pk.resume(cut, progress=False).theta, short().theta)


def test_a_hook_ends_a_run_at_new_points():
    settings = {"resample": pk.rad(every=10, after=10)}
    cut = short(callbacks=[Ends("on_resample", pk.STOP)], **settings)
    assert cut.progress.total == 11 and cut.progress.round == 1
    assert torch.equal(pk.resume(cut, progress=False).theta, short(**settings).theta)


def test_other_callbacks_hear_what_one_ends():
    diary = Diary()
    short(callbacks=[Ends("on_log", pk.STOP), Ends("on_log", StopIteration("later")), diary])
    assert diary.at("on_log") == [5] and diary.at("on_end") == [5]


def test_a_resumed_run_is_ended_too():
    cut = short(time_limit=0.0)
    again = pk.resume(cut, callbacks=[Ends("on_log", pk.STOP)], time_limit=100.0, progress=False)
    assert again.progress.total == 5 and "stopped by Ends" in again.stops[-1]


def test_a_march_ends_with_its_window(tmp_path):
    windows = {"network": NET, "points": {"pde": 60}, "stages": [pk.Adam(20)], **QUIET}
    stop = Ends("on_log", pk.STOP, 6)  # four rows are of the first window
    begun = pk.march(problems.diffusion(), 3, callbacks=[stop], folder=tmp_path, **windows)
    assert len(begun.windows) == 2 and begun.windows[1].progress.iteration == 10
    whole = pk.march(problems.diffusion(), 3, folder=tmp_path, **windows)
    X = whole.problem.sample("pde", 20).X
    assert len(whole.windows) == 3 and torch.equal(whole(X), pk.march(problems.diffusion(), 3, **windows)(X))


@pytest.mark.parametrize(("hook", "n", "at"), [("on_start", 1, 0), ("on_log", 5, 25), ("on_stage", 1, 20)])
@pytest.mark.parametrize("error", [RuntimeError("the cat"), SystemExit(3)])
def test_an_exception_saves_before_it_goes_on(tmp_path, hook, n, at, error):
    path = tmp_path / "run.h5"
    with pytest.raises(type(error)) as caught:
        short(callbacks=[Ends(hook, error, n)], checkpoint=path)
    assert caught.value.__notes__[-1] == f"the run so far is in {path}, and can be resumed"
    saved = pk.load(path)
    assert saved.progress.total == at
    assert torch.equal(pk.resume(saved, progress=False).theta, short().theta)


def test_an_exception_of_a_score_saves_as_well(tmp_path):
    def score(solution, key, candidates):
        if solution.progress.total == 30:
            raise RuntimeError("no score today")
        return torch.ones(len(candidates))

    rule = pk.Resample(score, every=10, after=10)
    with pytest.raises(RuntimeError, match="today"), pytest.warns(UserWarning, match="cannot hold"):
        short(resample=rule, checkpoint=tmp_path / "run.h5")
    assert pk.load(tmp_path / "run.h5", resample=rule).progress.total == 30


def test_a_torn_step_is_not_saved(tmp_path, monkeypatch):
    def torn(self, theta, state, objective):
        theta.mul_(torch.nan)  # in place, as an optimiser may
        raise RuntimeError("torn")

    path = tmp_path / "run.h5"
    monkeypatch.setattr(pk.SSBroyden, "step", torn)
    with pytest.raises(RuntimeError) as caught:
        short(checkpoint=path)
    assert not hasattr(caught.value, "__notes__") and pk.load(path).theta.isfinite().all()


def test_the_end_is_saved_before_on_end(tmp_path):
    path = tmp_path / "run.h5"
    with pytest.raises(RuntimeError):
        short(callbacks=[Ends("on_end", RuntimeError())], checkpoint=path)
    assert pk.load(path).progress.done


def test_an_interrupt_in_a_hook_is_an_interrupt():
    cut = short(callbacks=[Ends("on_log", KeyboardInterrupt(), 3)])
    assert cut.stops[-1] == "interrupted (iteration 15)"
    assert torch.equal(pk.resume(cut, progress=False).theta, short().theta)


@pytest.mark.parametrize(
    ("callbacks", "says"),
    [
        ([Diary], "Diary is a class: give an object"),
        ([object()], "object has no hook: expected .* on_start, on_log, on_stage, on_resample, on_end"),
        (lambda solution: None, "function has no hook"),
        (["on_log"], "str has no hook"),
    ],
)
def test_what_is_no_callback(callbacks, says):
    for call in (lambda: short(callbacks=callbacks), lambda: pk.resume(short(), callbacks=callbacks)):
        with pytest.raises(TypeError, match=says):
            call()


def test_stopping_at_an_error():
    settings = {"stages": [pk.LevenbergMarquardt(200)], "log_every": 1}
    solution = short(callbacks=[pk.StopAt(error=1e-2)], **settings)
    errors = solution.history["error:u"]
    assert errors[-1] <= 1e-2 < errors[:-1].min() and "StopAt: the error " in solution.stops[-1]


def test_stopping_at_a_residual():
    solution = short(stages=[pk.LevenbergMarquardt(200)], log_every=1, callbacks=[pk.StopAt(residual=0.05)])
    size = solution.history["validation"] ** 0.5
    assert size[-1] <= 0.05 < size[:-1].min() and "StopAt: the residual " in solution.stops[-1]


def test_stopping_at_a_time():
    solution = short(stages=[pk.Adam(10**6)], callbacks=[pk.StopAt(wall_s=0.2)])
    assert "StopAt: 0.2 s have passed" in solution.stops[-1]
    wall = solution.history["wall_s"]
    assert wall[-1] >= 0.2 > (wall[:-1].max() if len(wall) > 1 else 0.0)


def test_patience_is_over_once_fresh_points_see_no_progress():
    solution = short(stages=[pk.Adam(4000, lr=0.05)], callbacks=[pk.Patience(6, factor=0.5)])
    loss = solution.history["validation"]
    assert solution.progress.total < 4000 and "for 6 rows" in solution.stops[-1]
    assert loss[-6:].min() >= 0.5 * loss[:-6].min()
    begun = short(stages=[pk.Adam(30), pk.Adam(30)], callbacks=[pk.Patience(8, factor=0.01)])
    assert begun.progress.done  # six rows a stage


def test_an_error_needs_a_reference():
    (t,) = pk.coordinates("t")
    y = pk.field("y", t)
    decay = pk.Problem("decay", y, y.diff(t) + y, pk.Box(t=(0, 1)), [pk.Initial(y, 1)])
    with pytest.raises(ValueError, match="decay has no reference.*stop at a residual"):
        pk.solve(decay, pk.MLP(1, 4, 1), 20, stages=[pk.Adam(1)], callbacks=[pk.StopAt(error=0.1)], **QUIET)
    with pytest.raises(ValueError, match="give an error, a residual or wall_s"):
        pk.StopAt()


def test_the_history_in_a_csv_file(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("of an earlier run")
    cut = short(callbacks=[pk.CSVLogger(path), Ends("on_log", pk.STOP, 3)])

    def read() -> list[dict[str, str]]:
        with path.open(newline="") as file:
            return list(csv.DictReader(file))

    assert [int(float(row["iteration"])) for row in read()] == [5, 10, 15]
    whole = pk.resume(cut, callbacks=[pk.CSVLogger(path)], progress=False)
    rows = read()
    assert list(rows[0]) == list(whole.history.columns) and len(rows) == len(whole.history)
    for i, row in enumerate(rows):
        assert {name: float(value) for name, value in row.items()} == whole.history.row(i)


def test_a_csv_file_that_cannot_be_written(tmp_path):
    with pytest.raises(OSError, match="does not exist, create it first"):
        short(callbacks=[pk.CSVLogger(tmp_path / "none" / "log.csv")])
