"""The best iterate: never a worse one by its own estimate, the same bits where the last is the best."""

import numpy as np
import pytest
import torch

import pinnkit as pk

HEAT = pk.problem("heat")
WILD = {"stages": [pk.Adam(57, lr=0.3, decay=1.0)], "log_every": 3, "validation": 100, "progress": False}
CALM = {"stages": [pk.LevenbergMarquardt(10)], "log_every": 1, "validation": 100, "progress": False}


def train(**settings):
    return pk.solve(HEAT, pk.MLP(2, 6, 1), 50, resample=None, **settings)


def fresh(solution):
    """The loss on the run's fresh points."""
    from pinnkit.model.recorder import validation_points

    points = validation_points(solution.model, 100, 0, solution.theta)
    return float(solution.model.stack(points).losses(solution.theta).sum())


def test_the_best_row_is_returned_and_said():
    best, last = train(**WILD), train(**WILD, best=False)
    rows = last.history["validation"]
    assert rows.min() < 0.99 * rows[-1]  # the run wanders, else nothing is tried here
    assert np.array_equal(best.history["validation"], [*rows, rows.min()])  # a last row says what is returned
    assert best.history["loss"][-1] == pytest.approx(float(best.stack.losses(best.theta).sum()), rel=1e-12)
    assert fresh(best) == pytest.approx(rows.min(), rel=1e-12) and fresh(last) == pytest.approx(rows[-1], rel=1e-12)
    at = int(last.history["iteration"][rows.argmin()])
    assert f"iteration {at} is returned: its loss on fresh points is {rows.min():.2e}" in best.stops[-1]
    assert len(best.stops) == 2 and len(last.stops) == 1


def test_where_the_last_is_the_best_nothing_changes():
    best, last = train(**CALM), train(**CALM, best=False)
    assert best.history["validation"].argmin() == len(best.history) - 1
    assert torch.equal(best.theta, last.theta) and best.stops == last.stops


def test_a_run_in_pieces_ends_in_the_same_bits(tmp_path):
    whole = train(**WILD)

    class Stop:
        def on_log(self, solution):
            return pk.STOP if solution.progress.total >= 48 else None

    part = train(**WILD, callbacks=[Stop()])
    assert part.stops[-1].startswith("stopped by Stop") and not torch.equal(part.theta, whole.theta)
    back = pk.load(pk.save(part, tmp_path / "part.h5"))
    assert torch.equal(back.theta, part.theta)  # the last, from which it goes on
    done = pk.resume(back, progress=False)
    assert torch.equal(done.theta, whole.theta) and done.stops[-1] == whole.stops[-1]
    assert pk.resume(done, progress=False).stops == done.stops
    again = pk.load(pk.save(done, tmp_path / "done.h5"))
    assert torch.equal(again.theta, whole.theta)


def test_losses_under_other_weights_do_not_count():
    settings = WILD | {"stages": [pk.Adam(57, lr=1e-5)], "balance": pk.Balance(every=30, keep=0.99)}
    weights = dict.fromkeys(("pde", "u initial", "u on x_min", "u on x_max"), 1e-9)
    done = pk.solve(HEAT, pk.MLP(2, 6, 1), 50, hard=False, resample=None, weights=weights, **settings)
    rows = done.history["validation"]
    assert rows[:10].max() < 0.7 * rows[10:].min()  # the second balance doubles the weights
    assert rows[-1] == rows[10:].min() and len(done.stops) == 1


def test_an_exception_carries_the_run_where_there_is_no_checkpoint():
    class Breaks:
        def on_log(self, solution):
            if solution.progress.total >= 30:
                raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no") as caught:
        train(**WILD, callbacks=[Breaks()])
    assert "can be resumed" in caught.value.__notes__[-1]
    assert torch.equal(pk.resume(caught.value.solution, progress=False).theta, train(**WILD).theta)
