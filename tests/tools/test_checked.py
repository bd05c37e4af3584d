"""Arguments: what says the same as its type asks for is taken, and of anything else one sentence names it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated

import numpy as np
import pytest
import sympy as sp
import torch

from pinnkit.tools.checked import SOME, Count, Device, Finite, Matrix, Places, Positive, Vector, checked


@checked
def taken(
    n: Count = 1, x: Positive = 1.0, pair: tuple[Finite, Finite] = (0.0, 1.0), *, on: tuple[str, ...] = (),
    points: Places | None = None, array: np.ndarray | None = None, counts: Mapping[str, Count] | None = None,
    e: sp.Expr | None = None, some: Annotated[Sequence[int], SOME] = (1,), flag: bool = False, v: Vector | None = None,
    M: Matrix | None = None, device: Device = None, call: Callable[[float, float], float] | None = None,
) -> dict:  # fmt: skip
    return dict(locals())


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("n", np.int64(3), 3),
        ("n", torch.tensor(3), 3),
        ("x", np.float32(0.5), 0.5),
        ("x", sp.Rational(1, 2), 0.5),
        ("x", 2, 2),
        ("pair", [0, np.float64(2)], (0, 2.0)),
        ("pair", np.array([0.0, 2.0]), (0.0, 2.0)),
        ("on", ["x", "y"], ("x", "y")),
        ("counts", {"pde": np.int32(5)}, {"pde": 5}),
        ("e", 3, sp.Integer(3)),
        ("flag", np.True_, True),
    ],
)
def test_other_ways_to_say_the_same_are_taken(name, given, expected):
    found = taken(**{name: given})[name]
    assert found == expected and type(found) is type(expected)


@pytest.mark.parametrize("given", [np.array([[1.0, 2.0]]), [[1.0, 2.0]], ((1.0, 2.0),)])
def test_arrays_and_rows_of_numbers_are_tensors(given):
    found = taken(points=given)["points"]
    assert isinstance(found, torch.Tensor) and found.dtype == torch.float64 and found.tolist() == [[1.0, 2.0]]


def test_a_tensor_of_an_array_owns_its_numbers():
    array = np.zeros((1, 2))
    found = taken(points=array)["points"]
    array[0, 0] = 1
    assert float(found[0, 0]) == 0
    assert isinstance(taken(array=torch.zeros(2))["array"], np.ndarray)


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ({"n": 2.5}, TypeError, "taken: n is 2.5: expected a whole number of at least 1"),
        ({"n": True}, TypeError, "n is True"),
        ({"x": float("nan")}, ValueError, "x is nan: expected a positive number"),
        ({"pair": (1,)}, ValueError, r"pair is \(1,\) \(tuple\)"),
        ({"pair": (1, float("inf"))}, ValueError, r"pair\[1\] is inf"),
        ({"points": torch.zeros(3)}, ValueError, r"points is a Tensor of shape \(3,\).*expected points \(n, d\)"),
        ({"points": torch.zeros(3, 2) * 1j}, ValueError, "the numbers are complex"),
        ({"points": [["a"]]}, TypeError, "points"),
        ({"counts": {"pde": 0}}, ValueError, r"counts\['pde'\] is 0"),
        ({"e": sp.nan}, ValueError, "e is nan .*expected an expression that has a value"),
        ({"some": []}, ValueError, "some is .*expected at least one"),
        ({"flag": 1}, TypeError, "flag is 1: expected True or False"),
        ({"v": torch.zeros(2, 2)}, ValueError, r"v is .*expected a vector \(n,\)"),
        ({"M": torch.zeros(2, 2, dtype=torch.int)}, ValueError, "expected a matrix"),
        ({"device": "gpu"}, ValueError, "device is 'gpu': expected a device that this machine has"),
        ({"call": lambda: 0.0}, TypeError, "expected a function of 2 arguments"),
        ({"nn": 3}, TypeError, "taken: there is no argument 'nn': it has n, x, .*; did you mean 'n'.?"),
    ],
)
def test_one_sentence_names_what_does_not_fit(arguments, error, said):
    with pytest.raises(error, match=said):
        taken(**arguments)


def test_too_many_and_missing_arguments_are_named():
    @checked
    class Thing:
        def __init__(self, a: int, *, b: int = 1) -> None:
            self.a = a

    with pytest.raises(TypeError, match="Thing: a is missing: it takes a by place and by name b"):
        Thing()
    with pytest.raises(TypeError, match="Thing: too many arguments by place: it takes a by place"):
        Thing(1, 2)
    assert Thing(a=3).a == 3
