"""Results that print as lines of a label and a text, in plain text and in rich's colours."""

from abc import abstractmethod
from typing import TYPE_CHECKING

from .checked import checked

if TYPE_CHECKING:
    from rich.table import Table


@checked
class ResultTable:
    """What has ``rows``: pairs of a label and a text; ``str`` and rich print them in two columns."""

    @abstractmethod
    def rows(self) -> list[tuple[str, str]]:
        """The lines as pairs of a label and a text."""

    def emphasis(self, label: str, text: str) -> str:
        """The style of a row, in rich's words: none unless a subclass makes some rows stand out.

        Args:
            label: label of the row.
            text: text of the row.

        Returns:
            Name of the style.
        """
        return ""

    def __str__(self) -> str:
        rows = self.rows()
        width = max(len(label) for label, _ in rows)
        return "\n".join(f"{label:<{width}}  {text}" for label, text in rows)

    def __rich__(self) -> "Table":
        from rich.table import Table
        from rich.text import Text

        table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
        for label, text in self.rows():
            table.add_row(Text(label, "dim"), Text(text, self.emphasis(label, text)))
        return table
