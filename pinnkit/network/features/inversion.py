"""Features that resolve the surroundings of a body in a large domain: the coordinates and their image in a circle."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import sympy as sp
import torch
from torch import Tensor

from pinnkit.domain.box import Domain
from pinnkit.network.base import FeatureEvaluator, FeatureMap
from pinnkit.statement.symbolic.channels import Channels
from pinnkit.statement.symbolic.notation import differentiate
from pinnkit.statement.symbolic.torch_program import Program
from pinnkit.tools.checked import Finite, Positive, checked
from pinnkit.tools.serialise import register


@dataclass(frozen=True)
class Formulas(FeatureEvaluator):
    """Functions of the coordinates as expressions, with all their derivatives."""

    expressions: tuple[sp.Expr, ...]
    variables: tuple[sp.Symbol, ...]

    @property
    def count(self) -> int:
        """The number of features."""
        return len(self.expressions)

    def jet(self, X: Tensor, channels: Channels) -> Tensor:
        """The channels of the features at points X (B, d), shape (C, B, m)."""
        values = _program(self, channels)(dict(zip(self.variables, X.unbind(1), strict=True)))
        out = X.new_empty(len(channels), X.shape[0], self.count)
        for k, value in enumerate(values):
            out[k // self.count, :, k % self.count] = value
        return out


@lru_cache(maxsize=64)
def _program(features: Formulas, channels: Channels) -> Program:
    rows = [
        sum((w if w != 1 else 1) * differentiate(e, index, features.variables) for w, index in channel)
        for channel in channels.items
        for e in features.expressions
    ]
    return Program(rows, features.variables)


@register
@checked
@dataclass(frozen=True)
class Inversion(FeatureMap):
    """The coordinates scaled to [-1, 1], and the inversion radius (x - centre) / |x - centre|^2 in a circle or sphere.

    Near a body the inversion varies as much as the coordinates do over the domain; far away it is constant. So the
    network sees both scales. In the plane the inversion is harmonic, the dipole of potential flow.

    Args:
        centre: the centre, which must lie outside the domain (inside the body).
        radius: radius of the body.
        names: coordinates that are inverted. Default (): the first ones of the domain.

    Raises:
        ValueError: a radius that is not positive; on building, names that are no coordinates, or a centre in the
            domain.

    Example:
        >>> import pinnkit as pk
        >>> pk.Inversion((0.2, 0.2), radius=0.05).radius
        0.05
    """

    centre: tuple[Finite, ...]
    radius: Positive = 1.0
    names: tuple[str, ...] = ()

    def build(self, domain: Domain) -> Formulas:
        """The features on a domain.

        Args:
            domain: the domain, whose bounding box scales the coordinates.

        Raises:
            ValueError: names that are no coordinates, or a centre in the domain.
        """
        names = self.names or domain.space[: len(self.centre)]
        if len(names) != len(self.centre) or not set(names) <= set(domain.names):
            raise ValueError(
                f"Inversion(centre={tuple(self.centre)}): expected a number for each of the coordinates {names} of a "
                f"domain with {', '.join(domain.names)}"
            )
        _check_outside(domain, names, self.centre)
        x = {name: sp.Symbol(name, real=True) for name in domain.names}
        scaled = [
            (2 * x[name] - sp.Float(lo + hi, 17)) / sp.Float(hi - lo, 17)
            for name, (lo, hi) in zip(domain.names, domain.bounds.T.tolist(), strict=True)
        ]
        away = [x[name] - sp.Float(c, 17) for name, c in zip(names, self.centre, strict=True)]
        square = sum(a**2 for a in away)
        images = [sp.Float(self.radius, 17) * a / square for a in away]
        return Formulas((*scaled, *images), tuple(x.values()))


def _check_outside(domain: Domain, names: Sequence[str], centre: Sequence[float]) -> None:
    X = torch.as_tensor(domain.bounds.mean(0))[None].clone()
    for name, c in zip(names, centre, strict=True):
        X[0, domain.names.index(name)] = float(c)
    if bool(domain.inside(X)):
        raise ValueError(f"the centre {tuple(centre)} lies in the domain, where its inversion is infinite: move it")
