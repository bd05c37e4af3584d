"""What every optimiser is: settings, a state that goes in and comes out, one step."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Generic, Protocol, TypeVar

import torch
from torch import Tensor

from pinnkit.tools.checked import Vector, checked, fit

from .state_layout import Layout

State = dict[str, Any]  # tensors, numbers and strings, possibly nested: it can be written to a file


class Objective(Protocol):
    """What an optimiser may ask of the loss; a row stack is one."""

    def loss_and_gradient(self, theta: Tensor) -> tuple[Tensor, Tensor]:
        """Losses by term, shape (terms,), and the gradient of their sum, shape (P,)."""

    def parameter_groups(self, theta: Tensor) -> list[Tensor]:
        """Views of theta's first entries in the shapes that they have in the network, in order; [] where unknown."""


@dataclass(frozen=True)
class Step:
    """The result of one step: losses by term, at the new parameters if those were evaluated, and why to stop."""

    losses: Tensor
    stop: str | None = None


class Stage(Protocol):
    """An optimiser with its settings; runs for at most ``iterations`` steps."""

    @property
    def iterations(self) -> int:
        """The most steps."""

    def start(self, theta: Tensor, objective: Objective) -> State:
        """The state before the first step."""

    def step(self, theta: Tensor, state: State, objective: Objective) -> tuple[Tensor, State, Step]:
        """One step: new parameters, new state, what happened. A stop returns the last parameters that were good.

        The same parameters, state and objective give the same result bit for bit. The state that goes in is used up:
        an optimiser may go on writing in its tensors.
        """

    def renew(self, state: Mapping[str, Any]) -> State:
        """The state to go on with when the points have changed: what was learnt stays, values are dropped."""


Loss = TypeVar("Loss", contravariant=True)  # what an optimiser asks of the loss: an Objective, or more


class Optimiser(ABC, Generic[Loss]):
    """A stage of the package: what its methods take and give."""

    layout: ClassVar[Layout]  # of the state

    def check(self, theta: Tensor, state: Mapping[str, Any], objective: Any) -> None:
        """Whether a state that a file held can be gone on with.

        Args:
            theta: parameters (P,).
            state: the state.
            objective: the loss, with the names of its ``terms``.

        Raises:
            ValueError: an entry that ``start`` and ``step`` do not make for these parameters, or that is missing.
        """
        self.layout.check(state, type(self).__name__, theta, len(objective.terms))

    @abstractmethod
    def start(self, theta: Tensor, objective: Loss | None) -> State:
        """The state before the first step.

        Args:
            theta: parameters (P,).
            objective: the loss, which the stage may need to lay out its state.

        Returns:
            The state: tensors, numbers and texts by name, which a run file can hold.

        Raises:
            MemoryError: there is less memory than the state needs.
            ImportError: the library behind the optimiser is not installed.
            ValueError: the optimiser does not take these parameters.
        """

    @checked
    def check_memory(self, theta: Vector) -> None:
        """Check, before any work of a run is done, that the state finds room in memory; a small one is not looked at.

        Args:
            theta: parameters (P,).

        Raises:
            MemoryError: there is less memory than the state needs.
        """

    @checked
    def renew(self, state: Mapping[str, Any]) -> State:
        """The state after the points have changed: what was learnt stays, values at the old points are dropped.

        Args:
            state: the state of this stage.

        Returns:
            The state to continue with.
        """
        return dict(fit(Annotated[Mapping[str, Any], self.layout.rule], state, f"{type(self).__name__}.renew: state"))

    @abstractmethod
    def step(self, theta: Tensor, state: State, objective: Loss) -> tuple[Tensor, State, Step]:
        """One step.

        Args:
            theta: parameters (P,).
            state: the state of this stage. It is used up: its tensors may be overwritten.
            objective: the loss, with its gradient or its rows.

        Returns:
            New parameters (P,), the new state, and a ``Step`` with the losses by term (those before the step where the
            new ones were not evaluated) and, if the stage must end, the reason.
        """


def drop(state: Mapping[str, Any], *names: str) -> State:
    """The state without these entries."""
    return {key: value for key, value in state.items() if key not in names}


def copied(tree: Any) -> Any:
    """A state with tensors of its own, without what an optimiser only keeps at hand."""
    if isinstance(tree, Mapping):
        return {key: copied(value) for key, value in tree.items() if not str(key).startswith("_")}
    return tree.clone() if isinstance(tree, Tensor) else tree


def back(theta: Tensor, state: State, losses: Tensor) -> tuple[Tensor, State, Step]:
    """The end of a stage at its last good parameters, where a loss or its gradient is not finite."""
    return state.get("before", theta), state, Step(losses, "the loss or its gradient is not finite")


def usable(losses: Tensor, gradient: Tensor) -> bool:
    """Whether all of these are finite."""
    return bool(torch.isfinite(losses).all() & torch.isfinite(gradient).all())
