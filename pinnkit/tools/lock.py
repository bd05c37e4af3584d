"""One writer of a run file at a time: FILE.lock beside it names the process that has it, and goes with its end."""

import errno
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import asdict
from pathlib import Path
from types import ModuleType

from .atomic_file import check
from .process import Process

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

# A lock is a file that is flock-ed. The kernel lets go of it when the process ends, however that is, and gives it to
# one of several at most, so that what a killed process has left is taken over without a race. What the file says is
# asked as well: flock may not reach other hosts on a network file system, or not exist there. Then only creating the
# file counts, and one that was left behind has to be removed by hand.

_HELD: ContextVar[frozenset[tuple[int, Path]]] = ContextVar("held", default=frozenset())  # by process number
_NO_FLOCK = (errno.ENOTSUP, errno.ENOSYS, errno.ENOLCK, errno.EINVAL)
_PATIENCE = 20  # times 50 ms to wait for what a new holder says of itself


@contextmanager
def only_writer(path: str | Path | None) -> Iterator[None]:
    """Within the block nobody else writes the run file, unless there is none; blocks of one thread may be nested.

    Raises:
        BlockingIOError: another process writes it, or did so on another host where it cannot be asked for: one
        sentence with its number and host, and what to do; OSError: a place that cannot be written.
    """
    if path is None:
        yield
        return
    place = Path(os.path.realpath(path))
    own = (os.getpid(), place)
    if own in _HELD.get():
        yield
        return
    check(path)
    lock = _lock(place)
    handle = _taken(path, lock)
    before = _HELD.set(_HELD.get() | {own})
    try:
        yield
    finally:
        if os.getpid() == own[0]:  # not in a child that was forked here
            _HELD.reset(before)
            _give_back(handle, lock)


def check_free(path: str | Path) -> None:
    """BlockingIOError, as of ``only_writer``, where somebody else writes the run file."""
    if _lock(Path(os.path.realpath(path))).exists():
        with only_writer(path):
            pass


def _lock(place: Path) -> Path:
    return place.with_name(f"{place.name}.lock")


def _taken(path: str | Path, lock: Path) -> int:
    """A handle of the lock's file, which this process has from now on."""
    while True:
        made, handle = _opened(path, lock)
        try:
            alone = _flocked(path, lock, handle)
            if _same(handle, lock):  # else its holder removed it in the meantime
                said = _read(handle)
                if said or not (made or alone):
                    _check_left(path, lock, said, alone)
                _write(path, lock, handle)
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _opened(path: str | Path, lock: Path) -> tuple[bool, int]:
    """Whether the lock's file was made, and a handle of it."""
    while True:
        with suppress(FileExistsError):
            return True, _try_open(path, lock, os.O_CREAT | os.O_EXCL)
        with suppress(FileNotFoundError):
            return False, _try_open(path, lock, 0)


def _try_open(path: str | Path, lock: Path, flags: int) -> int:
    try:
        if lock.exists() and not lock.is_file():
            raise BlockingIOError(
                f"{lock} is no file, so {path} cannot be locked by it: remove it, or give another name"
            )
        return os.open(lock, os.O_RDWR | flags | getattr(os, "O_NOFOLLOW", 0), 0o666)
    except (FileExistsError, FileNotFoundError, BlockingIOError):
        raise
    except OSError as error:
        if lock.exists():  # another user's
            said = lock.read_bytes() if os.access(lock, os.R_OK) else b""
            raise _refusal(path, lock, said, certain=False) from error
        raise _unmade(path, lock, error) from error


def _flocked(path: str | Path, lock: Path, handle: int) -> bool:
    """Whether the kernel has given us the lock; False where it does not do so on this file system."""
    try:
        if fcntl is not None:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return fcntl is not None
    except OSError as error:
        if error.errno in _NO_FLOCK:
            return False
        if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
            raise _unmade(path, lock, error) from error
    for _ in range(_PATIENCE):  # until the new holder has said who it is
        holder = _holder(_read(handle))
        if holder is not None and not holder.gone:
            break
        time.sleep(0.05)
    raise _refusal(path, lock, _read(handle), certain=True)


def _check_left(path: str | Path, lock: Path, said: bytes, alone: bool) -> None:
    """BlockingIOError unless the lock is all that a process of this host has left that runs no more."""
    holder = _holder(said)
    if not alone or holder is None or not holder.gone:
        raise _refusal(path, lock, said, certain=False)


def _refusal(path: str | Path, lock: Path, said: bytes, certain: bool) -> BlockingIOError:
    holder, own = _holder(said), Process.own()
    if holder is None:
        who = "another process"
    elif holder == own:
        who = f"another thread of this process ({holder.number} on {holder.host})"
    else:
        who = f"process {holder.number} on {_shown(holder.host)}"
    if certain or holder == own:
        return BlockingIOError(f"{path} is being written by {who}: wait for its end, stop it, or give another file")
    known = "which has ended" if holder is not None and holder.gone else "unless that process has ended"
    return BlockingIOError(f"{path} is being written by {who}, {known}: if no such run goes on, remove {lock}")


def _holder(said: bytes) -> Process | None:
    """The process that a lock names."""
    try:
        found = json.loads(said)
        return Process(str(found["host"]), int(found["number"]), str(found["born"]))
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return None


def _shown(name: str) -> str:
    return "".join(c if c.isprintable() else "\ufffd" for c in name)


def _unmade(path: str | Path, lock: Path, error: OSError) -> OSError:
    return OSError(f"{path} cannot be written ({(error.strerror or str(error)).lower()}): {lock} cannot be made")


def _read(handle: int) -> bytes:
    os.lseek(handle, 0, os.SEEK_SET)
    return os.read(handle, 4096)


def _write(path: str | Path, lock: Path, handle: int) -> None:
    try:
        os.ftruncate(handle, 0)
        os.lseek(handle, 0, os.SEEK_SET)
        os.write(handle, json.dumps(asdict(Process.own())).encode() + b"\n")
    except OSError as error:
        lock.unlink(missing_ok=True)
        raise _unmade(path, lock, error) from error


def _same(handle: int, lock: Path) -> bool:
    """Whether the lock is still the file that was opened."""
    try:
        return os.path.samestat(os.fstat(handle), lock.stat())
    except OSError:
        return False


def _give_back(handle: int, lock: Path) -> None:
    own = _same(handle, lock)
    if fcntl is None:  # where an open file cannot be removed
        os.close(handle)
    if own:
        with suppress(OSError):  # the folder may be read-only by now
            lock.unlink()
    if fcntl is not None:  # last, as whoever has the lock has the file
        os.close(handle)
