"""Short runs, and what their files are compared by."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import pinnkit as pk

SMALL = pk.MLP(2, 8, 8, 1)
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


def refused(path: Path, match: str | None = None) -> str:
    with pytest.raises(ValueError, match=match) as caught:
        pk.load(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
    return str(caught.value)
