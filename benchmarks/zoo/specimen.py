"""Which models the zoo holds: a problem, a small network, and how the good and the bad ones are trained."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import torch
from torch import Tensor

from pinnkit.network.base import Network
from pinnkit.network.features.inversion import Inversion
from pinnkit.network.mlp import MLP
from pinnkit.statement import catalogue
from pinnkit.statement.problem import Problem
from pinnkit.tools.serialise import encode
from pinnkit.training.optim import Adam, SSBroyden, Stage
from pinnkit.training.resampling.resample import Resampler, rad


@dataclass(frozen=True)
class Variant:
    """How one kind of model is trained; ``arguments`` are those of its problem."""

    points: Mapping[str, int]
    stages: tuple[Stage, ...]
    resample: Resampler | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Specimen:
    """A problem of the zoo, with soft conditions, and the variants of its model, of which the first is good.

    ``source`` (n, d) -> (n,) says which points lie where the data enter: the first tenth of time, a source, a body.
    ``along`` is the direction in which information flows. ``cause`` (K, d), (N, d) -> (K, N) says whether a residual at
    one point can reach the other (None: whatever is earlier can, and where there is no time, everything). ``where`` is
    the place whose prediction is looked at in pictures.
    """

    problem: str
    network: Network
    variants: Mapping[str, Variant]
    source: Callable[[Tensor], Tensor]
    where: Mapping[str, float]
    along: str = "t"
    cause: Callable[[Tensor, Tensor], Tensor] | None = None
    weights: Mapping[str, float] = field(default_factory=dict)

    def state(self, variant: str) -> Problem:
        """The problem that this variant solves."""
        return catalogue.problem(self.problem, **self.variants[variant].arguments)

    def digest(self, variant: str) -> str:
        """A few letters that change with any setting of the variant."""
        v = self.variants[variant]
        settings = [self.network, v.points, list(v.stages), v.resample, v.arguments, self.weights]
        return sha256(json.dumps(encode(settings), sort_keys=True).encode()).hexdigest()[:8]


def _early(X: Tensor) -> Tensor:
    """The first tenth of time, which is the last coordinate and ends at 1 in all problems of the zoo."""
    return X[:, -1] < 0.1


def _cone(test: Tensor, train: Tensor) -> Tensor:
    """Where a wave of speed 2 can have come from, the reflected ones within."""
    x, t = (test[:, None] - train[None]).unbind(2)
    return x.abs() <= 2 * t


def _around(centre: Sequence[float], radius: float) -> Callable[[Tensor], Tensor]:
    return lambda X: (X - torch.as_tensor(centre).to(X)).norm(dim=1) < radius


def _variants(points: Mapping[str, int], well: int, few: Mapping[str, int], short: int) -> dict[str, Variant]:
    """Three trainings of one network: enough points and iterations, too few points that stay, too few iterations."""
    adam, draw = Adam(500, lr=2e-3, decay=0.3), rad(weights=True, every=100)
    return {
        "good": Variant(points, (adam, SSBroyden(well)), draw),
        "few": Variant(few, (adam, SSBroyden(1000))),
        "short": Variant(points, (adam, SSBroyden(short)), draw),
    }


def _flows(iterations: int) -> dict[str, Variant]:
    """The flow around the cylinder, with enough points and too few; and Stokes' flow, the wrong equations."""
    stages, draw = (Adam(300, lr=2e-3, decay=0.3), SSBroyden(iterations)), rad(weights=True, every=100)
    enough = {"pde": 1200, "inflow": 40, "walls+cylinder": 800, "outflow": 40}
    return {
        "good": Variant(enough, stages, draw),
        "few": Variant({"pde": 300, "inflow": 20, "walls+cylinder": 120, "outflow": 20}, stages),
        "broken": Variant(enough, stages, draw, {"convection": 0.0}),
    }


SMALL = MLP(2, 16, 16, 16, 1)
BOX = {"pde": 600, "initial": 100, "x": 80}
KINDS = {  # what is wrong with a model
    "few": "too few points",
    "short": "too little training",
    "broken": "an equation without its convective term",
}

# Where the conditions' terms would drown in the equation's they have weights, the same for good and bad models. Drift
# and diffusion run through six periods of time: a tanh network stays at u = 0, where only the initial values cost
# anything, and leaves it for layers between the points; one of sines trains from every seed.
ZOO: dict[str, Specimen] = {
    s.problem: s
    for s in (
        Specimen(
            "allen_cahn", SMALL, _variants(BOX, 3000, {"pde": 200, "initial": 40, "x": 40}, 700), _early,
            {"x": 0.6, "t": 0.6},
            weights={"u initial": 100.0, "u on x": 100.0},
        ),
        Specimen(
            "burgers", SMALL,
            _variants({"pde": 1000, "initial": 100, "x": 80}, 2500, {"pde": 200, "initial": 40, "x": 40}, 300), _early,
            {"x": 0.2, "t": 0.5},
        ),
        Specimen(
            "diffusion", SMALL,
            _variants({"pde": 400, "initial": 60, "x": 60}, 700, {"pde": 20, "initial": 5, "x": 4}, 40), _early,
            {"x": 0.4, "t": 0.6},
        ),
        Specimen(
            "drift_diffusion", MLP(2, 16, 16, 16, 1, activation="sin"),
            _variants(
                {"pde": 600, "initial": 100, "periodic_x": 80}, 1500,
                {"pde": 60, "initial": 15, "periodic_x": 15}, 350,
            ),
            _early, {"x": 3.0, "t": 0.4},
        ),
        Specimen(
            "standing_wave", SMALL, _variants(BOX, 4000, {"pde": 200, "initial": 40, "x": 40}, 1000), _early,
            {"x": 0.3, "t": 0.6}, cause=_cone,
            weights={"u initial": 1000.0, "u initial (d1t)": 10.0, "u on x": 1000.0},
        ),
        Specimen(
            "poisson_disk", SMALL, _variants({"pde": 600, "boundary": 100}, 2800, {"pde": 100, "boundary": 20}, 400),
            _around((0.0, 0.0), 0.1), {"x": 0.3, "y": 0.2}, along="radius",
        ),
        Specimen(
            "cylinder", MLP(2, 24, 24, 24, 3, features=Inversion((2.0, 2.0), 0.5)), _flows(1500),
            _around((2.0, 2.0), 0.75), {"x": 4.0, "y": 2.0}, along="x",
            weights={
                "continuity": 4.0, "u on inflow": 10.0, "v on inflow": 10.0, "u on walls+cylinder": 10.0,
                "v on walls+cylinder": 10.0, "u outflow": 10.0, "v outflow": 10.0,
            },
        ),
    )
}  # fmt: skip
