"""Where a residual holds: the place that a point set is drawn from, and the name that it has in files."""

from dataclasses import dataclass
from typing import Literal

Where = Literal["interior", "initial", "faces", "pair", "data", "interface", "section"]


@dataclass(frozen=True)
class Place:
    """The interior, the initial time, parts of the boundary, opposite faces, readings, an interface, or a section.

    ``names`` are the parts of the boundary, the coordinate of the pair, or the name of the readings or the interface;
    of a section, where only some coordinates matter, its name and those.
    The text of a place is the key of its point set, in `Points`, in files and on the command line.
    """

    where: Where
    names: tuple[str, ...] = ()

    @property
    def on(self) -> str | tuple[str, ...]:
        """The names as conditions take them: one as text, several as a tuple."""
        return self.names if len(self.names) > 1 else self.names[0]

    def __str__(self) -> str:
        if self.where == "interior":
            return "pde"
        if self.where == "initial":
            return "initial"
        if self.where == "section":
            return self.names[0]
        return f"periodic_{self.names[0]}" if self.where == "pair" else "+".join(self.names)


INTERIOR, INITIAL = Place("interior"), Place("initial")


def faces(on: str | tuple[str, ...]) -> Place:
    """The place of a condition on parts of the boundary, of which some operators take the interior for one."""
    if on in (str(INTERIOR), str(INITIAL)):
        return INTERIOR if on == str(INTERIOR) else INITIAL
    return Place("faces", (on,) if isinstance(on, str) else tuple(on))


def pair(coordinate: str) -> Place:
    """Opposite faces of a box, whose points are pairs."""
    return Place("pair", (coordinate,))


def data(name: str) -> Place:
    """Points that are given, under their name."""
    return Place("data", (name,))


def interface(name: str) -> Place:
    """A plane in the interior, whose points are pairs with one on either side."""
    return Place("interface", (name,))


def section(name: str, coordinates: tuple[str, ...]) -> Place:
    """Points of the interior of which only some coordinates matter, as times of a total mass; one, if none does."""
    return Place("section", (name, *coordinates))
