"""Arrays of points are held against the coordinates of their domain."""

import numpy as np
import pytest

from pinnkit.domain.box import Box, Domain
from pinnkit.domain.geometry import Geometry
from pinnkit.output.deepxde.to_deepxde import import_deepxde

dde = import_deepxde().geometry


@pytest.mark.parametrize("domain", [Box(x=(0, 1), y=(0, 2)), Geometry(dde.Disk([0, 0], 1))], ids=str)
@pytest.mark.parametrize("wrong", [np.zeros((4, 3)), np.zeros(2), np.zeros((4, 2), complex), np.zeros((2, 2, 2))])
def test_points_of_another_shape_are_refused(domain: Domain, wrong: np.ndarray) -> None:
    for ask in (
        lambda: domain.contains(wrong, 0.0), lambda: domain.touches(wrong, "boundary", 1e-9),
        lambda: domain.outward(wrong, "boundary"), lambda: domain.inside(wrong),
    ):  # fmt: skip
        with pytest.raises(ValueError, match="expected \\(n, 2\\)|complex"):
            ask()
