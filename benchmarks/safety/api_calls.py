"""Calls of every public function, half of them with one wrong argument: which end in a clear sentence, and which not.

``python -m benchmarks.safety.api_calls`` prints a table of what ended otherwise, by callable.
"""

import argparse
import ast
import collections.abc
import inspect
import linecache
import math
import random
import resource
import signal
import types
import typing
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import sympy as sp
import torch

import pinnkit
from pinnkit import scores
from pinnkit.tools.checked import types_of

from .api_values import Goods
from .api_world import World

HOME = str(Path(pinnkit.__file__).parent)
WRONG = ("raw", "hang", "silent")  # ends that no call may have
FOUND = ("Certificate", "Comparison", "Curvature", "ErrorMap", "Indicators", "Report", "Uncertainty")  # may hold NaN:
# what could not be measured; and a first damping of Levenberg-Marquardt's is not known before its first step
UNBOUNDED = {"NumericalFlow.point"}  # is not finite where a trajectory ends, and says so
NAN_SAYS_SOMETHING = {*FOUND, "LevenbergMarquardt.renew", "LevenbergMarquardt.step"}


@dataclass(frozen=True)
class Target:
    """A public callable: its name, how to get it (methods of an object), its arguments, its class."""

    name: str
    get: Callable[[], Callable]
    parameters: tuple[inspect.Parameter, ...]
    hints: Mapping[str, Any]
    kind: type | None = None


@dataclass(frozen=True)
class Bad:
    """A wrong value; ``must`` be refused, or may mean something ("value")."""

    label: str
    value: Any
    must: bool


@dataclass(frozen=True)
class Outcome:
    """How a call ended: "returned", "refused", "raw", "hang", "silent", with what it said."""

    target: str
    argument: str | None
    label: str
    end: str
    text: str = ""

    def __str__(self) -> str:
        return f"{self.target}({self.argument or ''}: {self.label}) {self.end}: {self.text}"


def targets(goods: Goods) -> dict[str, Target]:
    """Every public function, class and method of a class of which there is an object, by name."""
    found = {}
    names = [n for n in pinnkit.__all__ if callable(getattr(pinnkit, n))]
    things = {n: getattr(pinnkit, n) for n in names} | {f"scores.{n}": getattr(scores, n) for n in scores.__all__}
    for name, thing in things.items():
        if not callable(thing):
            continue
        found[name] = _target(name, lambda t=thing: t, thing, thing if inspect.isclass(thing) else None)
        if inspect.isclass(thing) and thing in goods.things:
            for method in _methods(thing):
                own = f"{name}.{method}"
                get = lambda k=thing, m=method: getattr(goods.instance(k), m)  # noqa: E731
                found[own] = _target(own, get, getattr(thing, method))
    return {k: v for k, v in found.items() if v.parameters}


def _methods(kind: type) -> list[str]:
    own = {n: f for k in reversed(kind.__mro__) if k.__module__.startswith("pinnkit") for n, f in vars(k).items()}
    plain = (types.FunctionType, classmethod, staticmethod)
    return sorted(n for n, f in own.items() if not n.startswith("_") and isinstance(f, plain))


def _target(name: str, get: Callable, call: Callable, kind: type | None = None) -> Target:
    parameters = [p for p in inspect.signature(call).parameters.values() if p.name not in ("self", "cls")]
    function = inspect.unwrap(call.__init__ if inspect.isclass(call) else getattr(call, "__func__", call))
    return Target(name, get, tuple(parameters), _hints(function), kind)


def _hints(function: Callable) -> dict[str, Any]:
    try:
        return types_of(function)
    except NameError:
        return {}


def accepts(hint: Any, value: Any) -> bool:
    """Whether a type checker might take the value for the hint; elements are not looked at."""
    if hint is Any or isinstance(hint, (str, typing.TypeVar)):
        return True
    if typing.get_origin(hint) is typing.Annotated:
        return accepts(typing.get_args(hint)[0], value)
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return any(accepts(h, value) for h in typing.get_args(hint))
    kind = typing.get_origin(hint) or hint
    if kind is tuple and isinstance(value, list):
        return True  # becomes one
    if kind is typing.Literal:
        return value in typing.get_args(hint)
    if kind in (None, type(None)):
        return value is None
    if kind is float:
        return isinstance(value, (float, int)) and not isinstance(value, bool)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if kind is collections.abc.Callable:
        return callable(value)
    if getattr(kind, "_is_protocol", False):
        return all(hasattr(value, n) for n in vars(kind) if not n.startswith("_"))
    return isinstance(value, kind) if isinstance(kind, type) else True


def bad_values(good: Any, hint: Any, world: World) -> list[Bad]:
    """Wrong values beside a good one: those of a wrong type or not finite must be refused."""
    found = [Bad("None", None, True), Bad("an object", object(), True)]
    found += [Bad(label, value, must) for label, value, must in _wrong(good, world)]
    return [Bad(b.label, b.value, b.must and not _fits(hint, b)) for b in found]


def _fits(hint: Any, bad: Bad) -> bool:
    if bad.label == "complex" and hint is sp.Expr:  # which a complex field may have; its Problem refuses it of others
        return True
    return not bad.label.startswith(("nan", "inside")) and (hint is None or accepts(hint, bad.value))


def _wrong(good: Any, world: World) -> Iterator[tuple[str, Any, bool]]:
    if isinstance(good, bool):
        yield from [("text", "yes", True), ("7", 7, True)]
    elif isinstance(good, (int, float)):
        yield from [("text", "many", True), ("complex", 1 + 2j, True), ("nan", math.nan, True), ("list", [1.0], True)]
        yield from [("inf", math.inf, False), ("-1", -1, False), ("0", 0, False), ("huge", 10**9, False)]
        if isinstance(good, int):
            yield "2.5", 2.5, True
    elif isinstance(good, str):
        yield from [("3", 3, True), ("bytes", b"u", True), ("empty text", "", False), ("unknown", "nowhere", False)]
    elif isinstance(good, Path):
        yield from [("3", 3, True), ("absent folder", world.folder / "absent" / "f.h5", False)]
        yield from [("empty text", "", False), ("a folder", world.folder, False)]
    elif isinstance(good, (torch.Tensor, np.ndarray)):
        yield from _wrong_arrays(good)
    elif isinstance(good, sp.Basic):
        yield from [("text", "u +", True), ("nan", sp.nan, True), ("list", [good], False)]
        yield from [("imaginary", sp.I, False), ("unknown symbol", sp.Symbol("q"), False), ("number", 3, False)]
    elif isinstance(good, Mapping):
        yield from _wrong_mappings(dict(good))
    elif isinstance(good, (tuple, list, frozenset)):
        yield from [("text", "many", False), ("3", 3, True), ("empty", type(good)(), False)]
        yield "inside: object", type(good)([*good, object()]), True
        yield "inside: None", type(good)([None, *good]), True
        yield "doubled", type(good)([*good, *good]), False
    elif isinstance(good, types.FunctionType):
        yield from [("3", 3, True), ("no arguments", lambda: None, False), ("gives nan", lambda *a: math.nan, False)]
        yield "gives text", lambda *a: "text", False
    elif good is not None:
        yield from [("text", "many", True), ("3", 3, True), ("tensor", torch.zeros(2), True)]


def _wrong_arrays(good: Any) -> Iterator[tuple[str, Any, bool]]:
    as_kind = torch.as_tensor if isinstance(good, torch.Tensor) else np.asarray
    plain = np.asarray(good, dtype=float)
    yield from [("text", "many", True), ("complex", as_kind(plain + 1j), True)]
    yield from [("list of text", ["a", "b"], True), ("empty", as_kind(plain[:0]), False)]
    yield from [("more dimensions", as_kind(plain[None]), False), ("number", as_kind(np.array(1.0)), False)]
    yield from [("all nan", as_kind(np.full(plain.shape, np.nan)), False), ("outside", as_kind(plain + 100), False)]
    yield from [("longer", as_kind(np.concatenate([plain, plain])), False)]
    yield from [("whole numbers", as_kind(plain.astype(int)), False), ("single", as_kind(plain.astype("f4")), False)]
    if plain.ndim == 2:
        yield "wider", as_kind(np.concatenate([plain, plain], 1)), False


def _wrong_mappings(good: dict) -> Iterator[tuple[str, Any, bool]]:
    yield from [("text", "many", True), ("3", 3, True), ("empty", {}, False), ("list", [1], True)]
    yield "strange key", {3: next(iter(good.values()), 1.0)}, False
    yield "unknown key", {"nowhere": next(iter(good.values()), 1.0)}, False
    for key, value in list(good.items())[:1]:
        yield "inside: object", good | {key: object()}, True
        yield "inside: None", good | {key: None}, True
        if isinstance(value, (int, float)):
            yield from [("nan inside", good | {key: math.nan}, True), ("-1 inside", good | {key: -1}, False)]


class TooLong(BaseException):
    """A call took more CPU time than it was given."""


@contextmanager
def cpu_limit(seconds: float) -> Iterator[None]:
    """Raise TooLong after so many seconds of CPU time of this process, and again as long as it goes on."""

    def stop(*_: Any) -> None:
        raise TooLong

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


@cache
def _raises(file: str) -> list[tuple[int, int]]:
    tree = ast.parse("".join(linecache.getlines(file)))
    return [(n.lineno, n.end_lineno or n.lineno) for n in ast.walk(tree) if isinstance(n, ast.Raise)]


def is_sentence(error: BaseException) -> bool:
    """Whether pinnkit itself raised it, with words for a person; ImportError where a package is missing."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None or not isinstance(error, (ValueError, TypeError, OSError, ImportError)):
        return False
    file, line = trace.tb_frame.f_code.co_filename, trace.tb_lineno
    own = file.startswith((HOME, str(Path(HOME).parent / "problems")))
    return own and any(a <= line <= b for a, b in _raises(file)) and len(str(error)) > 15


def _nan(value: Any, depth: int = 3) -> bool:
    """Whether a number or tensor in a result is NaN."""
    if isinstance(value, float):
        return math.isnan(value)
    if isinstance(value, torch.Tensor):
        return bool(value.isnan().any()) if value.is_floating_point() else False
    if not depth:
        return False
    if isinstance(value, Mapping):
        return any(_nan(v, depth - 1) for v in value.values())
    if isinstance(value, (tuple, list)):
        return any(_nan(v, depth - 1) for v in value)
    return False


@dataclass(frozen=True)
class Fuzzer:
    """Seeded calls of the targets, each with at most ``cpu_s`` seconds of CPU time."""

    goods: Goods
    world: World
    cpu_s: float = 10.0

    def call(self, target: Target, rng: random.Random, wrong: bool) -> Outcome | None:
        """One call with good arguments, but for one where ``wrong``; None where no good arguments are known."""
        given = {p.name: self.goods.of(target.name, p.name, target.kind) for p in target.parameters}
        needed = [p.name for p in target.parameters if p.default is p.empty and p.kind is not p.VAR_KEYWORD
                  and p.kind is not p.VAR_POSITIONAL]  # fmt: skip
        known = [name for name, make in given.items() if make is not None]
        if not known or not set(needed) <= set(known):
            return None
        victim = rng.choice(known) if wrong else None
        starred = {p.name for p in target.parameters if p.kind is p.VAR_POSITIONAL}
        chosen = [n for n in known if n in needed or n in starred or n == victim or rng.random() < 0.4]
        values, bad = {n: given[n]() for n in chosen}, None
        if victim is not None:
            by_name = {p.name: p for p in target.parameters}
            bad = rng.choice(self._bads(by_name[victim], values[victim], target.hints.get(victim)))
            values[victim] = bad.value
        return self._attempt(target, values, victim, bad)

    def _bads(self, p: inspect.Parameter, good: Any, hint: Any) -> list[Bad]:
        if p.kind is p.VAR_POSITIONAL:
            return [Bad(b.label, (*good[:-1], b.value), b.must) for b in bad_values(good[-1], hint, self.world)]
        if p.kind is p.VAR_KEYWORD:
            key, value = next(iter(good.items()))
            found = [Bad(b.label, good | {key: b.value}, False) for b in bad_values(value, hint, self.world)]
            return [*found, Bad("unknown keyword", good | {"nowhere": 1}, False)]
        if p.default is None:
            return [b for b in bad_values(good, hint, self.world) if b.label != "None"]
        return bad_values(good, hint, self.world)

    def _attempt(self, target: Target, values: dict[str, Any], victim: str | None, bad: Bad | None) -> Outcome:
        place, label = (target.name, victim), bad.label if bad else "good"
        positional, named = _spread(target, values)
        try:
            with warnings.catch_warnings(), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
                warnings.simplefilter("ignore")
                with cpu_limit(self.cpu_s):
                    result = target.get()(*positional, **named)
        except TooLong:
            return Outcome(*place, label, "hang", f"over {self.cpu_s:g} s of CPU time")
        except Exception as error:  # whatever it is, it is what the table is about
            said = f"{type(error).__name__}: {str(error)[:160]}"
            return Outcome(*place, label, "refused" if is_sentence(error) else "raw", said)
        if bad is not None and bad.label.startswith("nan") and target.name in NAN_SAYS_SOMETHING:
            return Outcome(*place, label, "returned")
        lost = label in ("inf", "-1", "0", "huge") and target.name not in UNBOUNDED and _nan(result)
        if bad is not None and (bad.must or lost):
            return Outcome(*place, label, "silent", f"returned {type(result).__name__}")
        return Outcome(*place, label, "returned")


def _spread(target: Target, values: dict[str, Any]) -> tuple[tuple, dict[str, Any]]:
    positional, named = [], dict(values)
    starred = any(p.kind is p.VAR_POSITIONAL and p.name in values for p in target.parameters)
    for p in target.parameters:
        if p.kind is p.VAR_POSITIONAL:
            positional += named.pop(p.name, ())
        elif p.kind is p.VAR_KEYWORD:
            named |= named.pop(p.name, {})
        elif p.kind is p.POSITIONAL_ONLY or starred and p.kind is p.POSITIONAL_OR_KEYWORD:
            if p.name in named:
                positional.append(named.pop(p.name))
            elif p.default is not p.empty:
                positional.append(p.default)
    return tuple(positional), named


def run(calls: int, seed: int, names: Sequence[str] = (), cpu_s: float = 10.0, least: int = 0) -> list[Outcome]:
    """So many calls spread over the targets (of these names, else all), ``least`` of each at least, half wrong."""
    world = World()
    goods = Goods(world)
    fuzzer, rng, found = Fuzzer(goods, world, cpu_s), random.Random(seed), []
    chosen = [t for n, t in sorted(targets(goods).items()) if not names or n in names]
    each = max(least, math.ceil(calls / len(chosen)))
    for target in chosen:
        for i in range(each):
            outcome = fuzzer.call(target, rng, wrong=i % 2 == 1)
            if outcome is not None:
                found.append(outcome)
    return found


def limit_memory(gib: float) -> None:
    """No more memory than this for the process: what takes too much fails here and hurts nobody else."""
    most = int(gib * 2**30)
    resource.setrlimit(resource.RLIMIT_AS, (most, resource.getrlimit(resource.RLIMIT_AS)[1]))


def share_wrong(found: Sequence[Outcome]) -> float:
    """The share of calls with a wrong argument that did not end in a sentence, or in a meaning."""
    wrong = [o for o in found if o.argument is not None]
    return sum(o.end in WRONG for o in wrong) / max(1, len(wrong))


def table(found: Sequence[Outcome]) -> str:
    """What ended badly, by callable and argument, each with one example."""
    counts = Counter((o.target, o.argument, o.label, o.end, o.text) for o in found if o.end in WRONG)
    lines = [f"{n:4d}  {t}({a}: {label})  {end}  {text}" for (t, a, label, end, text), n in sorted(
        counts.items(), key=str)]  # fmt: skip
    return "\n".join(lines)


def main() -> None:
    """Call and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=4000)
    parser.add_argument("--least", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--memory", type=float, default=6.0, help="GiB")
    parser.add_argument("--cpu", type=float, default=10.0, help="seconds of CPU time for a call")
    parser.add_argument("names", nargs="*")
    asked = parser.parse_args()
    limit_memory(asked.memory)
    found = run(asked.calls, asked.seed, asked.names, asked.cpu, asked.least)
    print(table(found))
    wrong = [o for o in found if o.argument is not None]
    ends = Counter(o.end for o in wrong)
    share = 100 * share_wrong(found)
    print(f"\n{len(found)} calls, {len(wrong)} with a wrong argument: {dict(ends)}, {share:.1f} % badly")
    print(f"good calls: {dict(Counter(o.end for o in found if o.argument is None))}")


if __name__ == "__main__":
    main()
