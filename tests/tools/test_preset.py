"""Presets take the settings of their class by name, say so, and refuse others in a sentence."""

import inspect
from dataclasses import dataclass
from typing import Any

import pytest

import pinnkit as pk
from pinnkit.tools.checked import Count, checked
from pinnkit.tools.preset import preset


@checked
@dataclass(frozen=True)
class Rule:
    """A rule.

    Args:
        kind: its kind.
        every: iterations
            between two.
        share: a share.
    """

    kind: str = "a"
    every: Count = 3
    share: float = 0.5


@preset(Rule, "kind")
def seldom() -> Rule:
    """A rule that is seldom.

    Returns:
        The rule.
    """
    return Rule("b", every=9)


def test_fields_that_are_not_given_are_the_presets_own() -> None:
    assert seldom() == Rule("b", 9) and seldom(share=1.0, every=2) == Rule("b", 2, 1.0)
    assert seldom.__name__ == "seldom"


def test_signature_and_docstring_name_the_settings_with_their_defaults() -> None:
    found = inspect.signature(seldom).parameters
    assert {name: p.default for name, p in found.items()} == {"every": 9, "share": 0.5}
    assert all(p.kind is p.KEYWORD_ONLY for p in found.values())
    assert inspect.getdoc(seldom) == (
        "A rule that is seldom.\n\nArgs:\n    every: iterations\n        between two. Here 9.\n    share: a share.\n\n"
        "Returns:\n    The rule."
    )


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"evry": 3}, "seldom: there is no argument 'evry'.*did you mean 'every'"),
        ({"every": 0}, "seldom: every is 0: expected a whole number of at least 1"),
        ({"kind": "a"}, "seldom: there is no argument 'kind'"),
    ],
)
def test_other_settings_are_refused(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises((TypeError, ValueError), match=sentence):
        seldom(**settings)


def test_no_public_function_hides_its_settings() -> None:
    # what they take has the names of coordinates, or of settings of a problem's or another package's own
    free = {"at", "integral", "problem", "from_file", "Box", "WandbLogger"}
    things = {name: getattr(pk, name) for name in set(pk.PUBLIC) - set(pk.MODULES) - free}
    hidden = {
        name
        for name, thing in things.items()
        if callable(thing)
        for p in inspect.signature(thing).parameters.values()
        if p.kind is p.VAR_KEYWORD
    }
    assert not hidden
