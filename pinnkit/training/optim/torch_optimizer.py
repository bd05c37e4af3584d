"""Any optimiser of torch.optim as a stage, with a schedule of its step size."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import torch
from torch import Tensor
from torch.optim import lr_scheduler
from typing_extensions import override

from pinnkit.tools.checked import Positive, Vector, Whole, checked
from pinnkit.tools.serialise import register

from .stage import Objective, Optimiser, State, Step, back, copied, usable
from .state_layout import Layout, array, count, tree

LAYOUT = Layout({
    "optimiser": tree(), "schedule": tree(needed=False), "steps": count(), "before": array("P", needed=False),
})  # fmt: skip
HELD = LAYOUT.rule

LENGTHS = {"CosineAnnealingLR": "T_max", "OneCycleLR": "total_steps", "PolynomialLR": "total_iters"}  # of the stage
LACKING = ("Optimizer", "SparseAdam", "LRScheduler", "LambdaLR", "MultiplicativeLR", "SequentialLR", "ChainedScheduler")
# The last ones need functions or other objects, which a run file cannot hold; gradients here are never sparse.


def known(module: Any, kind: type) -> dict[str, type]:
    """torch's own classes of a kind, by name."""
    return {n: c for n, c in vars(module).items()
            if isinstance(c, type) and issubclass(c, kind) and n not in LACKING and not n.startswith("_")}  # fmt: skip


@register
@checked
@dataclass(frozen=True)
class Torch(Optimiser[Objective]):
    """Steps of an optimiser of torch.optim on the matrices and vectors of the network.

    The whole state is kept: a run that is saved in the middle and resumed ends in the same bits.

    Args:
        optimizer: a class of ``torch.optim`` by name: "AdamW", "RAdam", "NAdam", "SGD", "LBFGS" ...
        iterations: the largest number of steps.
        lr: step size at the first iteration.
        settings: further settings of that class by name, as ``{"weight_decay": 0.01}``. Default: torch's.
        schedule: a class of ``torch.optim.lr_scheduler`` by name, as "CosineAnnealingLR". Default None: a constant lr.
        schedule_settings: its settings by name. Lengths of a whole run (T_max, total_steps, total_iters) are
            ``iterations`` unless given.

    Raises:
        ValueError: a name or a setting that torch does not have.

    Source:
        The documentation of ``torch.optim``.

    Example:
        >>> import pinnkit as pk
        >>> pk.Torch("AdamW", 200, lr=1e-2, schedule="CosineAnnealingLR").schedule
        'CosineAnnealingLR'
    """

    layout = LAYOUT
    optimizer: str = "AdamW"
    iterations: Whole = 1000
    lr: Positive = 1e-3
    settings: Mapping[str, Any] = field(default_factory=dict)
    schedule: str | None = None
    schedule_settings: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        kinds = known(torch.optim, torch.optim.Optimizer)
        if self.optimizer not in kinds:
            names = ", ".join(kinds)
            raise ValueError(f"Torch: torch.optim has no optimizer {self.optimizer!r}: choose one of {names}")
        plans = known(lr_scheduler, lr_scheduler.LRScheduler)
        if self.schedule is not None and self.schedule not in plans:
            raise ValueError(f"Torch: there is no schedule {self.schedule!r}: choose one of {', '.join(plans)}")
        self._scheduled(self._made([torch.nn.Parameter(torch.zeros(1, 1))]))

    @override
    def start(self, theta: Vector, objective: Objective | None) -> State:
        return {**self._packed(self._live(theta, objective)), "steps": 0}

    @override
    def step(self, theta: Vector, state: Annotated[State, HELD], objective: Objective) -> tuple[Tensor, State, Step]:
        losses, g = objective.loss_and_gradient(theta)
        if not usable(losses, g):
            return back(theta, state, losses)
        live = at_hand(state, lambda: self._live(theta, objective))

        def again(at: Tensor) -> tuple[float, Tensor]:  # optimisers with a line search ask more than once
            others, slope = objective.loss_and_gradient(at)
            return float(others.sum()), slope

        new = live.step(cut(theta, objective), cut(g, objective), float(losses.sum()), again, objective)
        if live.schedule is not None:
            plateau = isinstance(live.schedule, lr_scheduler.ReduceLROnPlateau)
            live.schedule.step(*([float(losses.sum())] if plateau else []))
        live.steps += 1
        return new, {**self._packed(live), "steps": live.steps, "before": theta, "_live": live}, Step(losses)

    @override
    def check(self, theta: Tensor, state: Mapping[str, Any], objective: Any) -> None:
        super().check(theta, state, objective)
        try_on(state, lambda: self._live(theta, objective), theta, objective)

    def _live(self, theta: Tensor, objective: Objective | None) -> "Live":
        return Live(self._made, theta, objective, self._scheduled)

    def _made(self, parameters: list[torch.nn.Parameter]) -> torch.optim.Optimizer:
        try:
            return getattr(torch.optim, self.optimizer)(parameters, lr=self.lr, **self.settings)
        except (TypeError, ValueError) as error:
            raise ValueError(f"Torch({self.optimizer!r}): torch does not take these settings: {error}") from error

    def _scheduled(self, optimiser: torch.optim.Optimizer) -> Any:
        if self.schedule is None:
            return None
        length = LENGTHS.get(self.schedule)
        whole = {} if length is None else {length: max(1, self.iterations)}
        try:
            return getattr(lr_scheduler, self.schedule)(optimiser, **(whole | dict(self.schedule_settings)))
        except (TypeError, ValueError) as error:
            raise ValueError(f"Torch: {self.schedule} does not take these settings: {error}") from error

    def _packed(self, live: "Live") -> State:
        found = {"optimiser": pack(live.optimiser.state_dict())}
        return found if live.schedule is None else found | {"schedule": pack(live.schedule.state_dict())}


class Live:
    """A library's optimiser with its schedule, kept at hand between steps; ``steps`` tells which state they are in."""

    steps: int
    parameters: list[torch.nn.Parameter]
    optimiser: torch.optim.Optimizer
    schedule: Any

    def __init__(
        self,
        make: Callable[[list[torch.nn.Parameter]], torch.optim.Optimizer],
        theta: Tensor,
        objective: Objective | None,
        schedule: Callable[[torch.optim.Optimizer], Any] = lambda optimiser: None,
    ) -> None:
        self.steps = 0
        self.parameters = [torch.nn.Parameter(piece.clone()) for piece in cut(theta, objective)]
        self.optimiser = make(self.parameters)
        self.schedule = schedule(self.optimiser)

    def step(
        self,
        theta: list[Tensor],
        gradient: list[Tensor],
        loss: float = 0.0,
        again: Callable[[Tensor], tuple[float, Tensor]] | None = None,
        objective: Objective | None = None,
    ) -> Tensor:
        """New parameters (P,) from those at theta, with the gradient there; ``again`` evaluates elsewhere."""
        for p, value in zip(self.parameters, theta, strict=True):
            p.data.copy_(value)
        first = [True]

        def closure() -> float:
            value, slopes = loss, gradient
            if not first[0] and again is not None:
                value, g = again(self._joined())
                slopes = cut(g, objective)
            first[0] = False
            for p, slope in zip(self.parameters, slopes, strict=True):
                p.grad = slope.clone()
            return value

        self.optimiser.step(closure)
        return self._joined()

    def _joined(self) -> Tensor:
        return torch.cat([p.detach().reshape(-1) for p in self.parameters])


def at_hand(state: Mapping[str, Any], make: Callable[[], Live]) -> Live:
    """The optimiser that the last step left, where it is in this state; else one made anew and put into it."""
    live = state.get("_live")
    if live is None or live.steps != state["steps"]:
        live = make()
        live.steps = state["steps"]
        live.optimiser.load_state_dict(unpack(state["optimiser"]))
        if live.schedule is not None:
            live.schedule.load_state_dict(unpack(state["schedule"]))
    return live


def try_on(state: Mapping[str, Any], make: Callable[[], Live], theta: Tensor, objective: Objective | None) -> None:
    """One step from a copy of a state, thrown away: ValueError where its library cannot make it."""
    slopes = [torch.full_like(piece, 1e-3) for piece in cut(theta, objective)]
    try:
        live = at_hand(copied(state), make)
        new = live.step(cut(theta, objective), slopes, 1.0)
        if live.schedule is not None:
            plateau = isinstance(live.schedule, lr_scheduler.ReduceLROnPlateau)
            live.schedule.step(*([1.0] if plateau else []))
    except Exception as error:  # a library checks little of a state, and may fail in any way
        raise ValueError(f"the optimiser cannot go on from the state: {error}") from error
    if new.shape != theta.shape:
        raise ValueError(f"the optimiser makes {new.numel()} parameters of {theta.numel()} from the state")


def cut(theta: Tensor, objective: Objective | None) -> list[Tensor]:
    """theta as views: every layer's matrix and bias, then the rest."""
    pieces = [] if objective is None else objective.parameter_groups(theta)
    end = sum(piece.numel() for piece in pieces)
    return pieces + ([theta[end:]] if end < len(theta) else [])


def pack(state: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a torch optimiser's state with text keys and lists as mappings: it can be written to a file."""

    def packed(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {"kind": "mapping"} | {f"k{k}": packed(v) for k, v in value.items()}
        if isinstance(value, list | tuple):
            return {"kind": type(value).__name__} | {f"i{i}": packed(v) for i, v in enumerate(value)}
        return value.clone() if isinstance(value, Tensor) else value

    return packed(state)


def unpack(tree: Mapping[str, Any]) -> Any:
    """The state that ``pack`` was given."""

    def unpacked(value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        items = {k[1:]: unpacked(v) for k, v in value.items() if k != "kind"}
        if value["kind"] == "mapping":
            return {int(k) if k.isdigit() else k: v for k, v in items.items()}
        made = [items[str(i)] for i in range(len(items))]
        return tuple(made) if value["kind"] == "tuple" else made

    return unpacked(tree)
