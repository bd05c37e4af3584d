"""Networks and evaluators of classes of the user's own that have the methods but subclass nothing here.

This is the only place that asks an object whether it has what the contracts give a default for.
"""

from typing import Any

from torch import Tensor

from pinnkit.domain.box import Domain
from pinnkit.statement.symbolic.channels import Channels

from .evaluator import Evaluator, Pass, Pool
from .network import FeatureMap, Network


def periodic(of: Network | FeatureMap | None) -> tuple[str, ...]:
    """The coordinates of which a network or its features are exactly periodic; () where nothing says so."""
    if of is None:
        return ()
    if {Network, FeatureMap} & set(type(of).__mro__):
        return of.periodic
    return periodic(getattr(of, "features", None))


def evaluator(network: Network, domain: Domain) -> Evaluator:
    """What a network builds on that domain.

    Raises:
        TypeError: it has neither parameters to count nor points to run.
    """
    built: Any = network.build(domain)
    if isinstance(built, Evaluator):
        return built
    if not (hasattr(built, "count") and hasattr(built, "run")):
        raise TypeError(
            f"{type(network).__name__}.build returned {built!r:.80}: expected a subclass of "
            "pinnkit.network.base.Evaluator, with count and run(theta, X, channels, pool)"
        )
    return _Adapted(built)


class _Adapted(Evaluator):
    """An evaluator that is none by its class."""

    def __init__(self, own: Any) -> None:
        self._own, self.count = own, own.count

    @property
    def width(self) -> int:
        """Its own, or the usual one."""
        return getattr(self._own, "width", super().width)

    def run(self, theta: Tensor, X: Tensor, channels: Channels, pool: Pool | None = None) -> Pass:
        """Its own evaluation."""
        return self._own.run(theta, X, channels, pool)

    def sweep(
        self, theta: Tensor, X: Tensor, channels: Channels, v: Tensor | None = None, pool: Pool | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Its own sweep, or the usual one."""
        own = getattr(self._own, "sweep", super().sweep)
        return own(theta, X, channels, v, pool)

    def followed(
        self, theta: Tensor, X: Tensor, channels: Channels, v: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Its own, or the usual refusal."""
        return getattr(self._own, "followed", super().followed)(theta, X, channels, v)

    def parameter_groups(self, theta: Tensor) -> list[Tensor]:
        """Its own groups, or the usual ones."""
        return getattr(self._own, "parameter_groups", super().parameter_groups)(theta)
