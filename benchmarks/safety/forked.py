"""Tests in a process that was forked: the libraries are there already, the package is read anew."""

import os
import resource
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch  # noqa: F401  what takes longest to import is there before the fork

from benchmarks.common import ROOT

OWN = ("pinnkit", "benchmarks", "problems", "conftest", "tests")
SLOWER = 20  # times the CPU seconds, in wall time, after which a process that waits counts as hanging


def tested(copy: Path, tests: Sequence[str], limit: int, log: Path) -> tuple[int, str]:
    """The exit code of tests of a copy of the checkout, and the first that fails or how they end.

    They stop at the first failure and have ``limit`` seconds of CPU; what they print goes to the log.
    """
    pid = os.fork()
    if pid == 0:
        os._exit(_run(copy, tests, limit, log))
    end, status = time.monotonic() + SLOWER * limit, None
    while status is None and time.monotonic() < end:
        done, code = os.waitpid(pid, os.WNOHANG)
        status = code if done else None
        time.sleep(0.02)
    if status is None:
        os.killpg(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        return -signal.SIGKILL, "it waits and does not end"
    if os.WIFSIGNALED(status):
        return -os.WTERMSIG(status), f"stopped by signal {os.WTERMSIG(status)}: it takes {limit} s of CPU, or crashes"
    text = log.read_text(errors="replace").splitlines()
    lines = [line for line in text if line.startswith(("FAILED", "ERROR"))]
    code = os.WEXITSTATUS(status)
    return code, (lines[0] if lines else " ".join(text[-3:])[-200:]) if code else ""


def _run(copy: Path, tests: Sequence[str], limit: int, log: Path) -> int:
    os.setsid()
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(file, 1)
    os.dup2(file, 2)
    sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")  # the parent's may go elsewhere
    resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 5))
    os.chdir(copy)
    os.environ["PYTHONPATH"] = str(copy)
    for name in [name for name in sys.modules if name.partition(".")[0] in OWN]:
        del sys.modules[name]
    sys.path[:] = [str(copy), *(p for p in sys.path if p and Path(p) != ROOT)]
    sys.dont_write_bytecode = True
    code = int(pytest.main(["-x", "-q", "-p", "no:xdist", "-p", "no:cov", "-m", "not slow", *tests]))
    sys.stdout.flush()  # os._exit does not
    return code
