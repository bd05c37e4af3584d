"""Values that pickle and copy take by their fields."""

from dataclasses import fields
from typing import Any


class Pickled:
    """A dataclass of which pickle and copy take the fields; what was found from them is found again."""

    def __getstate__(self) -> dict[str, Any]:
        known: Any = self
        return {each.name: getattr(self, each.name) for each in fields(known)}
