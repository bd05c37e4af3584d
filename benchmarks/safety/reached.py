"""Which tests reach a line of the package, and how long they take: those alone can see a bug in it."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import blake2b
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.etree import ElementTree

from coverage import CoverageData

from benchmarks.common import environment

SETUP = "|setup"  # how a context ends that belongs to fixtures, which other tests of the file share


@dataclass(frozen=True)
class Reach:
    """Of one test file: the CPU seconds of every test that passes, and by file of the package and line who runs it.

    A line that a fixture runs is run by all tests of the file; one that the import runs has no test's name.
    """

    seconds: Mapping[str, float]
    lines: Mapping[str, Mapping[str, Sequence[str]]] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)

    def tests(self, file: str, line: int, digest: str) -> set[str]:
        """The tests that run a line; all that run the file where it has changed since."""
        known = self.lines.get(file, {})
        if self.digests.get(file) != digest or not any(known.get(str(line), [""])):
            found = {name for names in known.values() for name in names if name}
        else:
            found = {name for name in known[str(line)] if name}
        return set(self.seconds) if any(name.endswith(SETUP) for name in found) else found & set(self.seconds)


def digest(path: Path) -> str:
    """A hash of a file's text."""
    return blake2b(path.read_bytes(), digest_size=8).hexdigest()


def reach(copy: Path, test: str, store: Path) -> Reach:
    """The reach of one test file of a copy of the checkout; it is measured where the store does not know it."""
    kept = store / f"{test.replace('/', '-')}-{digest(copy / test)}.json"
    if kept.exists():
        return Reach(**json.loads(kept.read_text()))
    with TemporaryDirectory() as folder:
        found = _measured(copy, test, Path(folder))
    store.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps(asdict(found)))
    return found


def _measured(copy: Path, test: str, folder: Path) -> Reach:
    data, xml = folder / "coverage", folder / "times.xml"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", "-m", "not slow", "--cov=pinnkit",
               "--cov-context=test", "--cov-report=", f"--junitxml={xml}", "-o",
               "junit_family=xunit1", test]  # fmt: skip
    env = environment(PYTHONPATH=str(copy), COVERAGE_FILE=str(data), PYTHONDONTWRITEBYTECODE="1")
    subprocess.run(command, cwd=copy, capture_output=True, env=env, check=False)
    seconds = {}
    for case in ElementTree.parse(xml).iter("testcase"):
        if not any(child.tag in ("failure", "error", "skipped") for child in case):
            inside = case.get("classname", "").removeprefix(test[:-3].replace("/", ".")).strip(".")
            name = "::".join(filter(None, [test, inside, case.get("name")]))
            seconds[name] = float(case.get("time", 0))
    known = CoverageData(str(data))
    known.read()
    lines: dict[str, dict[str, list[str]]] = {}
    for path in known.measured_files():
        file = str(Path(path).relative_to(copy)) if Path(path).is_relative_to(copy) else path
        by = known.contexts_by_lineno(path)
        lines[file] = {str(line): sorted({_name(c) for c in names}) for line, names in by.items()}
    return Reach(seconds, lines, {file: digest(copy / file) for file in lines})


def _name(context: str) -> str:
    """A test's name, with what is left of its phase only where it is the fixtures'."""
    return context if context.endswith(SETUP) else context.rpartition("|")[0] if "|" in context else context
