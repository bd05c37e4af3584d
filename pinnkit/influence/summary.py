"""What an attribution says as text and plain data: shares of the loss terms, the strongest points, the curvature."""

from dataclasses import dataclass
from typing import Any

from .attribution import Attribution
from .green_function import Response
from .green_function import response as respond
from .indicator import term_fractions
from .influence import Influence


@dataclass(frozen=True)
class InfluentialPoint:
    """A training point and by how much a functional changes when the point is removed."""

    points: str
    number: int
    coordinates: dict[str, float]
    change: float


@dataclass(frozen=True)
class FunctionalSummary:
    """One functional: its value, the share of every loss term in the influence on it, its strongest points."""

    of: str
    value: float
    shares: dict[str, float]
    strongest: tuple[InfluentialPoint, ...]


@dataclass(frozen=True)
class InfluenceSummary:
    """Answers for all functionals, and what they rest on."""

    answers: tuple[FunctionalSummary, ...]
    curvature: str
    convention: str
    stationarity: str
    notes: tuple[str, ...]
    response: Response | None = None

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain numbers, text, lists and dicts."""
        answers = [
            {
                "of": a.of,
                "value": a.value,
                "shares": a.shares,
                "strongest": [
                    {"points": s.points, "number": s.number, **s.coordinates, "change": s.change} for s in a.strongest
                ],
            }
            for a in self.answers
        ]
        rest = {"curvature": self.curvature, "convention": self.convention, "stationarity": self.stationarity}
        more = {} if self.response is None else {"response": self.response.to_dict()}
        return {"answers": answers, **rest, "notes": list(self.notes), **more}

    def __str__(self) -> str:
        lines = [line for answer in self.answers for line in (*_lines(answer), "")]
        kept = {"fixed": "all others keep their weights w / N", "mean": "the others share its weight"}
        lines.append(f"curvature     {self.curvature}")
        lines.append(f"stationarity  {self.stationarity}")
        lines.append(f"convention    a change is f without the point - f with it, {kept[self.convention]}")
        if self.response is not None:
            lines.append(f"response      {self.response}")
        return "\n".join([*lines, *(f"note          {note}" for note in self.notes)])


def reading(influence: Influence, found: Attribution, top: int = 10, response: bool = False) -> InfluenceSummary:
    """The reading of an attribution, with the ``top`` strongest points of every functional and, asked for, the response
    of the first field to sources in the first equation."""
    shares = term_fractions(found.effects)
    answers = []
    for k, name in enumerate(found.names):
        strongest = tuple(
            InfluentialPoint(key, number, dict(zip(found.coordinates, x, strict=True)), change)
            for key, number, x, change in found.strongest(top, k)
        )
        answers.append(
            FunctionalSummary(name, float(found.values[k]), {t: float(v[k]) for t, v in shares.items()}, strongest)
        )
    stationarity = str(influence.stationarity)
    notes = tuple(note for note in found.notes if note != stationarity)
    answered = respond(influence) if response else None
    return InfluenceSummary(tuple(answers), found.curvature, found.convention, stationarity, notes, answered)


def _lines(answer: FunctionalSummary) -> list[str]:
    shares = ", ".join(f"{name} {share:.0%}" for name, share in answer.shares.items())
    lines = [f"{answer.of} = {answer.value:.6g}", f"  influence through  {shares}"]
    if not answer.strongest:
        return lines
    names = list(answer.strongest[0].coordinates)
    rows = [("  without the point", "", *names, "it changes by")]
    for s in answer.strongest:
        place = (f"{c:.4f}" if 1e-3 <= abs(c) < 1e4 or c == 0 else f"{c:.1e}" for c in s.coordinates.values())
        rows.append((f"  {s.points}", str(s.number), *place, f"{s.change:+.2e}"))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for first, *rest in rows:
        cells = (f"{cell:>{w}}" for cell, w in zip(rest, widths[1:], strict=True))
        lines.append("  ".join([f"{first:<{widths[0]}}", *cells]))
    return lines
