"""Files that are there whole or not at all: every file that pinnkit writes is written here."""

import errno
import hashlib
import os
import re
import shutil
import stat
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from .process import Process

SIGNATURE, OURS = b"\x89HDF\r\n\x1a\n", "pinnkit-"  # how HDF5 files begin, and the formats of ours
LONGEST = 100  # bytes of a file's name that its partial files repeat: names have 255 at most


def put(path: str | Path, write: Callable[[Path], object], format: str | None = None) -> Path:
    """Put what ``write`` writes to a file beside it in the place of ``path`` at once, after it has reached the disk.

    Whatever goes wrong, what was there stays and nothing is left beside it. What processes of this host that were
    killed have left of earlier files is removed first. A link is followed, and a file's permissions are kept. A file
    of pinnkit's gives its place to one of the same ``format`` alone: a run does not to a picture.

    Raises:
        OSError: one sentence that names the file: no such folder, a folder, a device or a read-only file in its
        place, no permission, a full disk or quota, a file of pinnkit's of another format.
    """
    check(path)
    check_replaceable(path, format)
    place = Path(os.path.realpath(path))
    try:
        partial = beside(place)
        try:
            write(partial)
            _settle(partial, place)
            os.replace(partial, place)
        finally:
            with suppress(OSError):  # the folder itself may be gone
                partial.unlink(missing_ok=True)
    except OSError as error:
        raise _said(path, error) from error
    _settle_folder(path, place.parent)
    return Path(path)


def beside(place: Path) -> Path:
    """A new name beside a place for what is not finished; what dead processes of this host left there is removed."""
    for old, writer in _partials(place):
        if writer.gone:
            shutil.rmtree(old) if old.is_dir() else old.unlink(missing_ok=True)
    own = Process.own()
    return place.with_name(f"{_prefix(place)}.{own.host}.{own.number}-{own.born}.{uuid.uuid4().hex[:8]}.partial")


def check(path: str | Path) -> None:
    """OSError in one sentence where ``put`` could not put a file, as far as that is known before."""
    path = Path(path)
    try:
        mode = path.stat().st_mode if path.exists() else stat.S_IFREG
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(f"{path} is a folder: give the name of a file")
        if not stat.S_ISREG(mode):
            raise OSError(f"{path} is a pipe, a device or a socket: give the name of a regular file")
        folder = Path(os.path.realpath(path)).parent
        if not folder.is_dir():
            raise FileNotFoundError(f"{path} cannot be written: the folder {folder} does not exist, create it first")
        if path.exists() and not os.access(path, os.W_OK):
            raise PermissionError(f"{path} is read-only: make it writable (chmod u+w), or give another name")
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(f"{path} cannot be written: nothing may be written in the folder {folder}")
    except OSError as error:
        if error.errno is None:  # a sentence of those above
            raise
        raise _said(path, error) from error


def check_replaceable(path: str | Path, format: str | None) -> None:
    """FileExistsError where a file of pinnkit's that is not of this format would be lost."""
    try:
        with Path(path).open("rb") as file:
            if file.read(len(SIGNATURE)) != SIGNATURE:
                return
    except OSError:  # it is not there, or ``put`` says what is wrong with it
        return
    import h5py

    found = None
    with suppress(Exception), h5py.File(path, "r", locking=False) as h5:  # damaged ones can raise anything
        found = str(h5.attrs["format"])
    if found is not None and found.startswith(OURS) and found != format:
        raise FileExistsError(f"{path} holds a {found}, which would be lost: give another name, or remove it first")


def check_or_make_folder(path: str | Path) -> None:
    """As ``check``, after the folder has been made if it was missing."""
    folder = Path(path).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _said(path, error, f": the folder {folder} cannot be made") from error
    check(path)


def _said(path: str | Path, error: OSError, what: str = "") -> OSError:
    """The error as one sentence that names the file."""
    stays = ": what was there before is untouched" if os.path.lexists(path) else what
    said = OSError(f"{path} cannot be written ({(error.strerror or str(error)).lower()}){stays}")
    said.errno = error.errno
    return said


def _partials(place: Path) -> Iterator[tuple[Path, Process]]:
    """The files that are being written, or were never finished, for this place, and their writers."""
    pattern = re.compile(re.escape(_prefix(place)) + r"\.(.+)\.(\d+)-(\d*)\.[0-9a-f]{8}\.partial")
    try:
        names = os.listdir(place.parent)
    except PermissionError:  # one may write in a folder and not list it
        names = []
    for name in names:
        if found := pattern.fullmatch(name):
            yield place.with_name(name), Process(found[1], int(found[2]), found[3])


def _prefix(place: Path) -> str:
    name = os.fsencode(place.name)
    return place.name if len(name) <= LONGEST else hashlib.sha256(name).hexdigest()[:32]


def _settle(partial: Path, place: Path) -> None:
    """Wait until the file is on the disk, with the permissions of the one that it replaces."""
    if place.exists():
        with suppress(OSError):  # some file systems have none
            shutil.copymode(place, partial)
    with partial.open("rb+") as file:
        os.fsync(file.fileno())


def _settle_folder(path: str | Path, folder: Path) -> None:
    """Wait until a folder's list of files is on the disk, where its file system can do that."""
    if os.name == "nt":  # a folder cannot be opened there
        return
    try:
        handle = os.open(folder, os.O_RDONLY)
    except PermissionError:
        return
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise OSError(f"{path} is written, but its disk reports a fault ({error.strerror}): keep a copy") from error
    finally:
        os.close(handle)
