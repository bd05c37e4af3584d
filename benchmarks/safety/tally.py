"""Counts of a campaign's cases that add up over days: by range of seeds and commit, failed cases by their seeds."""

import subprocess
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import Any, Self

from benchmarks.common import ROOT, table


@dataclass
class Entry:
    """What came of the seeds ``first`` to ``last`` of a campaign at a commit."""

    campaign: str
    commit: str
    first: int
    last: int
    results: dict[str, int] = field(default_factory=dict)
    kinds: dict[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    since: dict[str, str] = field(default_factory=dict)  # by fault: what cases like it came to later


@dataclass
class Tally:
    """Entries in the order in which they were made."""

    entries: list[Entry] = field(default_factory=list)

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> Self:
        """The tally that ``to_dict`` was asked for."""
        return cls([Entry(**e) for e in kept["tally"]])

    def to_dict(self) -> dict[str, Any]:
        """The entries as JSON holds them."""
        return {"tally": [asdict(e) for e in self.entries]}

    def cases(self, campaign: str) -> int:
        """How many were run."""
        return sum(sum(e.results.values()) for e in self._of(campaign))

    def following(self, campaign: str) -> int:
        """The first seed that was not run yet."""
        return max((e.last + 1 for e in self._of(campaign)), default=0)

    def add(self, campaign: str, row: Mapping[str, Any], fault: bool) -> None:
        """Count a case: its seed, result and kind; of a fault the line is kept."""
        last, now = next(reversed(self._of(campaign)), None), commit()
        if last is None or last.commit != now or last.last + 1 != row["seed"]:
            self.entries.append(last := Entry(campaign, now, row["seed"], row["seed"]))
        last.last = row["seed"]
        last.results[row["result"]] = last.results.get(row["result"], 0) + 1
        last.kinds[row["kind"]] = last.kinds.get(row["kind"], 0) + 1
        if fault:
            last.faults.append(f"{row['seed']}: {row['result']}: {row['kind']}: {row['what'][-160:]}")

    def join(self, other: "Tally") -> None:
        """Add the entries of another tally whose seeds are not here."""
        known = {(e.campaign, e.first) for e in self.entries}
        self.entries += [e for e in other.entries if (e.campaign, e.first) not in known]
        self.entries.sort(key=lambda e: e.first)  # a campaign's in the order of its seeds; campaigns are told apart

    def faults(self) -> list[tuple[str, str]]:
        """Campaigns and lines of all faults."""
        return [(e.campaign, text) for e in self.entries for text in e.faults]

    def seen_again(self, campaign: str, text: str, results: Mapping[str, int]) -> None:
        """Keep what cases like a fault come to at this commit."""
        said = ", ".join(f"{n} {result}" for result, n in sorted(results.items()))
        for e in self._of(campaign):
            if text in e.faults:
                e.since[text] = f"cases like it at {commit()}: {said}"

    def text(self, campaigns: Iterable[str]) -> str:
        """The table of all that was run, and the faults with their seeds and commits."""
        rows, said = [], []
        for name in campaigns:
            results, kinds = Counter[str](), Counter[str]()
            for e in self._of(name):
                results += Counter(e.results)
                kinds += Counter(e.kinds)
                said += [f"- {name} {text} (at {e.commit}); {self._since(e, text)}" for text in e.faults]
            most = ", ".join(f"{kind} {n}" for kind, n in sorted(kinds.items()) if kind) if len(kinds) < 40 else ""
            faults = results.total() - results["fine"] - results["refused"]
            rows.append([name, results.total(), results["fine"], results["refused"], faults, most])
        head = ["campaign", "cases", "fine", "refused in one sentence", "faults", "of which kinds"]
        return "\n\n".join([table(head, rows), *(["\n".join(said)] if said else [])])

    def _since(self, e: Entry, text: str) -> str:
        """What is known of cases like a fault that came later."""
        kind = text.split(": ")[2]
        later = [o for o in self._of(e.campaign) if o.first > e.first and not o.faults]
        return e.since.get(text, f"{sum(o.kinds.get(kind, 0) for o in later)} later cases of its kind without a fault")

    def _of(self, campaign: str) -> list[Entry]:
        return [e for e in self.entries if e.campaign == campaign]


@cache
def commit() -> str:
    """The checkout's commit, with a + where files were changed since."""
    told = [["git", "rev-parse", "--short=7", "HEAD"], ["git", "status", "--porcelain", "--untracked-files=no"]]
    name, changed = (subprocess.run(w, cwd=ROOT, capture_output=True, text=True).stdout.strip() for w in told)
    return name + "+" * bool([x for x in changed.splitlines() if "benchmarks/results" not in x])
