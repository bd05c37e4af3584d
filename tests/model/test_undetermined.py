"""What trained fields say of the faces through which they flow in."""

import pytest
import torch
from torch import Tensor, nn

import pinnkit as pk
from pinnkit.model.undetermined import open_inflow

x, t = pk.coordinates("x t")
u = pk.field("u", x, t)


class Line(nn.Module):
    """a + b x on [0, 1], of which a module sees [-1, 1]."""

    def __init__(self, a: float, b: float) -> None:
        super().__init__()
        self.c = nn.Parameter(torch.tensor([a, b], dtype=torch.float64))

    def forward(self, X: Tensor) -> Tensor:
        """(n, 2) to (n, 1)."""
        return (self.c[0] + self.c[1] * (X[:, :1] + 1) / 2).to(X)


def said(a: float, b: float, face: str) -> tuple[str, ...]:
    """Of u_t + u u_x = 0 with a condition on one face, where u = a + b x."""
    conditions = [pk.Initial(u, 0), pk.Dirichlet(u, 0, on=face)]
    problem = pk.Problem("flow", u, u.diff(t) + u * u.diff(x), pk.Box(x=(0, 1), t=(0, 1)), conditions)
    model = pk.Model(problem, pk.Module(Line(a, b)), False)
    return open_inflow(pk.Solution(model, model.initial(0), pk.sample(problem, 10)))


@pytest.mark.parametrize(("face", "other", "sign"), [("x_min", "x_max", 1), ("x_max", "x_min", -1)])
def test_a_condition_is_moved_only_from_where_nothing_flows_in(face: str, other: str, sign: int) -> None:
    assert said(sign * 2, -sign, face) == ()
    (moved,) = said(-2 * sign, sign, face)
    assert f"flows in through {other}" in moved and f"move the condition on {face} there" in moved
    both = (1.0, -2.0)  # u > 0 where x = 0, u < 0 where x = 1
    (more,) = said(*both, face)
    assert f"flows in through {other}" in more and "give a condition there" in more
