"""The evaluator of a network on a domain, one evaluation of it, and the memory that it may use."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence

from torch import Tensor

from pinnkit.statement.symbolic.channels import Channels


class Pool:
    """Memory used again by one pass after another: fresh pages cost more than the arithmetic on them."""

    def __init__(self) -> None:
        self._free: dict[tuple, list[Tensor]] = {}
        self._taken: list[tuple[tuple, Tensor]] = []

    def new(self, shape: Sequence[int], like: Tensor) -> Tensor:
        """An uninitialised tensor, taken until ``release``."""
        key = (math.prod(shape), like.dtype, like.device)
        stock = self._free.setdefault(key, [])
        flat = stock.pop() if stock else like.new_empty(key[0])
        self._taken.append((key, flat))
        return flat.view(shape)

    def release(self) -> None:
        """Give all taken tensors back; what was computed in them is lost."""
        for key, flat in self._taken:
            self._free[key].append(flat)
        self._taken.clear()


class Pass(ABC):
    """One evaluation at B points of C channels of n fields, kept so that its derivatives by theta can be taken.

    ``output`` has shape (C, B, n). Cotangents G have that shape too, tangents v the shape of theta, (P,).
    """

    output: Tensor

    @abstractmethod
    def tangent(self, v: Tensor) -> Tensor:
        """The derivative of the output along v (P,), shape (C, B, n)."""

    @abstractmethod
    def reverse(self, G: Tensor) -> Tensor:
        """The gradient of sum(G * output) by theta, shape (P,)."""

    @abstractmethod
    def rows(self, G: Tensor, out: Tensor) -> None:
        """Add, for each of the B points, the gradient of its own sum(G * output) to the rows of out (B, P)."""

    @abstractmethod
    def second(self, v: Tensor, G: Tensor, dG: Tensor) -> Tensor:
        """The derivative of ``reverse(G)`` along v while G itself moves by dG, shape (P,)."""


class Evaluator(ABC):
    """A network on one domain, of ``count`` parameters theta (P,); ``run`` is all that a subclass must define."""

    count: int

    @property
    def width(self) -> int:
        """The most numbers that one channel makes of a point, by which evaluations are cut into blocks."""
        return 64

    @abstractmethod
    def run(self, theta: Tensor, X: Tensor, channels: Channels, pool: Pool | None = None) -> Pass:
        """Evaluate the channels at points X (B, d), in memory from ``pool`` if one is given."""

    def sweep(
        self, theta: Tensor, X: Tensor, channels: Channels, v: Tensor | None = None, pool: Pool | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """The channels and their derivative along v (P,), each (C, B, n), where no reverse pass follows."""
        run = self.run(theta, X, channels, pool)
        return run.output, None if v is None else run.tangent(v)

    def followed(
        self, theta: Tensor, X: Tensor, channels: Channels, v: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """As ``sweep``, in torch operations alone, which autograd, torch.func, traces and exports follow.

        Raises:
            TypeError: a class that does not say how.
        """
        raise TypeError(
            f"{type(self).__name__}: autograd, torch.func and torch.export cannot follow this network: derivatives "
            "come from solution.jet(X, names); or give its evaluator a method followed(theta, X, channels, v)"
        )

    def parameter_groups(self, theta: Tensor) -> list[Tensor]:
        """Views of theta's first entries in the shapes that they have in the network, in order; [] where unknown."""
        del theta
        return []
