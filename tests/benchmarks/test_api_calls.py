"""Wrong arguments of the public functions end in a sentence of pinnkit's own, which names the argument."""

import math
from collections.abc import Callable

import pytest
import torch

import pinnkit as pk
from benchmarks.safety.api_calls import run, share_wrong

CHEAP = ("Adam", "Balance", "Box.measure", "Fourier", "LBFGS", "MLP", "PointSet", "Resample", "SSBroyden", "draw")


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: pk.Adam(lr=math.nan), "Adam: lr is nan: expected a positive number"),
        (lambda: pk.Adam(lr=-1), "Adam: lr is -1: expected a positive number"),
        (lambda: pk.rad(c=math.nan), "c is nan: expected a finite number of at least 0"),
        (lambda: pk.PointSet(torch.ones(2, 2) + 1j), "expected real numbers"),
        (lambda: pk.Dirichlet(pk.field("u", *pk.coordinates("x")), weight=-1.0), "the weight of 'u on boundary' is -1"),
    ],
)
def test_numbers_that_mean_nothing_are_refused_by_name(call: Callable, said: str) -> None:
    with pytest.raises((TypeError, ValueError), match=said):
        call()


def test_text_for_a_number_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="SSBroyden: iterations is 'many': expected a whole number of at least 0"):
        pk.SSBroyden("many")


def test_calls_with_right_arguments_return() -> None:
    found = [o for o in run(200, seed=1, names=CHEAP, cpu_s=5.0) if o.argument is None]
    assert len(found) >= 100 and all(o.end == "returned" for o in found), [str(o) for o in found if o.end != "returned"]


def test_wrong_calls_of_cheap_functions_end_in_a_sentence() -> None:
    found = run(400, seed=1, names=CHEAP, cpu_s=5.0)
    assert len(found) >= 400 and share_wrong(found) == 0, [str(o) for o in found if o.end in ("raw", "hang", "silent")]


@pytest.mark.slow
def test_wrong_calls_of_everything_seldom_end_otherwise() -> None:
    found = run(10_000, seed=2, least=40)
    assert len(found) >= 10_000 and share_wrong(found) <= 0.01
