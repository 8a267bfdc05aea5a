"""Writing files so that a reader never sees half of one, and the folder where caches live."""

from __future__ import annotations

import atexit
import contextlib
import difflib
import errno
import functools
import itertools
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import platformdirs

from wordalloc.errors import OutputError
from wordalloc.interrupts import deferred_interrupts

_COMPARED = 10_000  # names of a folder in which the one that may be meant is looked for


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path`; on success it is synced and renamed to `path`.

    When the block fails or is interrupted the temporary file is removed and `path` is left as it was.

    Parameters
    ----------
    path : path-like
        The final name. Its folder must exist; if the name is taken it must be by a regular file.
        A symbolic link stays one: the file it points to is the one that is written.

    Raises
    ------
    OutputError
        If the target cannot be written: no such folder, no permission, a full disk, not a regular file.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with atomic_path(Path(folder) / "a.txt") as temporary:
    ...         _ = temporary.write_text("whole")
    ...     [file.read_text() for file in Path(folder).iterdir()]
    ['whole']
    """
    if "\0" in os.fspath(path):
        raise OutputError("cannot write to a name that holds NUL; choose another name with -o")
    target = Path(os.path.realpath(path))
    with _output_errors(Path(path)):
        # The rename would replace a device or a pipe by a plain file, so only plain files are accepted.
        if target.exists() and not target.is_file():
            raise OutputError(f"cannot write {path}: it is not a regular file; choose another name with -o")
    temporary: Path | None = None
    try:
        with _output_errors(Path(path)):
            with deferred_interrupts():
                temporary = _empty_file(target)
            yield temporary
            temporary.chmod(0o666 & ~_umask())  # late, because some writers make the file anew
            sync(temporary)
            temporary.replace(target)
            sync(target.parent)
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def temporary_folder(prefix: str, parent: Path | None = None) -> Iterator[Path]:
    """Make a folder, and remove it at the end with all that is in it.

    Unlike `tempfile.TemporaryDirectory` it leaves nothing behind where a Ctrl-C falls into the making or the removal.

    Parameters
    ----------
    prefix : str
        What its name begins with.
    parent : Path, optional
        Where it is made; default: where temporary files belong.
    """
    folder: str | None = None
    try:
        with deferred_interrupts():
            folder = tempfile.mkdtemp(prefix=prefix, dir=parent)
        yield Path(folder)
    finally:
        with deferred_interrupts():
            if folder is not None:
                shutil.rmtree(folder, ignore_errors=True)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write `text` as UTF-8 to `path`, whole or not at all (see `atomic_path`).

    Parameters
    ----------
    path : path-like
        The file to make or to replace.
    text : str
        What it shall hold.

    Raises
    ------
    OutputError
        If the target cannot be written; it is then left as it was.
    """
    with atomic_path(path) as temporary:
        temporary.write_bytes(text.encode("utf-8"))


def unreadable(path: str | os.PathLike[str], error: OSError) -> str:
    """Return why a file cannot be read, and what to do; of one that is not there, which may be meant.

    Parameters
    ----------
    path : path-like
        As the user named it.
    error : OSError
        What reading it came to.

    Examples
    --------
    >>> unreadable("/nowhere/a.txt", FileNotFoundError(errno.ENOENT, "No such file or directory"))
    'no such file; there is no folder /nowhere'
    """
    if error.errno == errno.ENOENT:
        folder, name = os.path.split(os.fspath(path))
        try:
            with os.scandir(folder or os.curdir) as found:
                names = sorted(entry.name for entry in itertools.islice(found, _COMPARED))
        except OSError:
            return f"no such file; there is no folder {folder}"
        close = difflib.get_close_matches(name, names, n=1)
        return f"no such file; {f'did you mean {Path(folder, close[0])}?' if close else 'check its name'}"
    remedy = "let yourself read it (chmod), or name another" if error.errno == errno.EACCES else "name another"
    return f"{_reason(error)}; {remedy}"


def unwritable(error: OSError) -> str:
    """Return why a file or a folder cannot be written, and what to do.

    Parameters
    ----------
    error : OSError
        What writing it came to.

    Examples
    --------
    >>> unwritable(OSError(errno.ENOSPC, "No space left on device"))
    'no space left on device (make room)'
    """
    if error.errno == errno.ENOENT:
        return f"{_reason(error)} (make its folder, or choose another)"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{_reason(error)} (make room)"
    return f"{_reason(error)} (choose another place)"


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def cache_directory(name: str) -> Path:
    """Return the cache folder `name`, made if need be: below ``WORDALLOC_CACHE`` or the platform's own.

    What lies there is believed, and numba's part of it is run: the folder is made for this user alone. One that others
    could write to is put aside as ``<name>-not-private-…``, for what it holds may be theirs. Where the folder cannot
    be written (a read-only home) or is somebody else's, a private temporary folder that lives as long as the process
    serves instead, so that nothing that merely saves time can stop the work.

    Parameters
    ----------
    name : str
        The folder's name below the root.
    """
    folder = cache_root() / name
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        if is_private(folder) or _made_anew(folder):
            with tempfile.TemporaryFile(dir=folder):
                return folder
    except OSError:
        pass
    fallback = _private_cache() / name
    fallback.mkdir(parents=True, exist_ok=True)
    return fallback


def cache_root() -> Path:
    """Return the folder that all caches lie in: ``WORDALLOC_CACHE``, or the platform's own."""
    return Path(os.environ.get("WORDALLOC_CACHE") or platformdirs.user_cache_dir("wordalloc", appauthor=False))


def is_private(folder: Path) -> bool:
    """Tell whether a folder is this user's, and nobody else may write to it: so it is believed to be on Windows.

    Parameters
    ----------
    folder : Path
        One that is there.
    """
    if not hasattr(os, "geteuid"):
        return True
    found = folder.stat()
    return found.st_uid == os.geteuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _made_anew(folder: Path) -> bool:
    """Put a folder of this user's aside, since others may have written to it, and make another; tell whether it did."""
    if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
        return False
    folder.replace(tempfile.mkdtemp(prefix=f"{folder.name}-not-private-", dir=folder.parent))
    folder.mkdir(mode=0o700)
    return True


@functools.cache
def _private_cache() -> Path:
    folder = tempfile.mkdtemp(prefix="wordalloc-cache-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


@contextlib.contextmanager
def _output_errors(target: Path) -> Iterator[None]:
    """Turn the operating system's refusals into one sentence that names the target."""
    try:
        yield
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(f"cannot write {target}: {unwritable(error)}; the file is left as it was") from error


def _empty_file(target: Path) -> Path:
    """Make a file beside the target, under a name that tells what became of it where the process is killed."""
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name[:32]}.", suffix=".tmp", dir=target.parent)
    os.close(descriptor)
    return Path(name)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def sync(path: Path) -> None:
    """Ask the disk to hold what was written; folders cannot be synced everywhere, so that is best effort.

    Parameters
    ----------
    path : Path
        A file or a folder.
    """
    is_folder = path.is_dir()
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        if is_folder:
            return
        raise
    try:
        os.fsync(descriptor)
    except OSError:
        if not is_folder:
            raise
    finally:
        os.close(descriptor)
