"""A network as a value and a feature map as a value, from which evaluators on a domain are built."""

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor

from pinnkit.domain.box import Domain
from pinnkit.statement.symbolic.channels import Channels

from .evaluator import Evaluator


class FeatureEvaluator(ABC):
    """Fixed functions of the coordinates of one domain, ``count`` of them, with all their derivatives."""

    @property
    @abstractmethod
    def count(self) -> int:
        """The number of features."""

    @abstractmethod
    def jet(self, X: Tensor, channels: Channels) -> Tensor:
        """The channels of the features at points X (B, d), shape (C, B, count)."""


class FeatureMap(ABC):
    """Fixed functions of the coordinates that a network sees instead of them; any class with ``build`` is one."""

    @abstractmethod
    def build(self, domain: Domain) -> FeatureEvaluator:
        """The features on that domain."""

    @property
    def periodic(self) -> tuple[str, ...]:
        """The coordinates of which all features are exactly periodic, with the length of the domain as period."""
        return ()

    @classmethod
    def __subclasshook__(cls, other: type) -> Any:
        return _has(other, "build") if cls is FeatureMap else NotImplemented


class Network(ABC):
    """A network as a value; its parameters live in a vector theta (P,). Any class with the two methods is one."""

    @abstractmethod
    def build(self, domain: Domain) -> Evaluator:
        """The evaluator on a domain.

        Args:
            domain: the domain, whose bounding box scales the coordinates.

        Raises:
            ValueError: the network does not fit the domain.
        """

    @abstractmethod
    def initial(self, domain: Domain, seed: int, dtype: torch.dtype = torch.float64) -> Tensor:
        """The first parameters.

        Args:
            domain: the domain.
            seed: seed of the draw.
            dtype: precision.

        Returns:
            A tensor (P,).
        """

    @property
    def periodic(self) -> tuple[str, ...]:
        """The coordinates of which the network is exactly periodic, with the length of the domain as period."""
        return ()

    @classmethod
    def __subclasshook__(cls, other: type) -> Any:
        return _has(other, "build", "initial") if cls is Network else NotImplemented


def _has(kind: type, *names: str) -> Any:
    """Whether a class defines these methods, as `collections.abc` asks; NotImplemented where it does not."""
    return all(any(name in vars(base) for base in kind.__mro__) for name in names) or NotImplemented
