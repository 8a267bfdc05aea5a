"""Atomic writing under failure, interruption, a full disk and a kill; the cache folder; errors of one line."""

import os
import signal
import stat
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from wordalloc.errors import FormatError, InputError, OutputError, RunError, WordallocError
from wordalloc.files import atomic_path, cache_directory, write_text

linux = pytest.mark.skipif(sys.platform != "linux", reason="/dev/full and /proc are Linux's")
OLD, NEW = "the old content\n", "the new content\n"


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def python(code: str, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `code` in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def target(tmp_path: Path) -> Path:
    file = tmp_path / "result.txt"
    file.write_text(OLD)
    return file


# --- success


def test_the_target_changes_only_at_the_end(target: Path) -> None:
    with atomic_path(target) as temporary:
        assert temporary.parent == target.parent
        temporary.write_text(NEW)
        assert target.read_text() == OLD
    assert target.read_text() == NEW
    assert names(target.parent) == ["result.txt"]


def test_write_text_writes_utf8_and_keeps_line_ends(tmp_path: Path) -> None:
    write_text(tmp_path / "a", "é\r\n😀\n")
    assert (tmp_path / "a").read_bytes() == b"\xc3\xa9\r\n\xf0\x9f\x98\x80\n"


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600)])
def test_the_mode_follows_the_umask(tmp_path: Path, mask: int, mode: int) -> None:
    before = os.umask(mask)
    try:
        write_text(tmp_path / "a", NEW)
        assert os.umask(mask) == mask  # looking at the umask does not change it
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == mode


@pytest.mark.parametrize("name", ["x" * 255, "😀" * 63, "a b'\"\n", os.fsdecode(b"caf\xe9")])
def test_any_name_that_a_file_can_have(tmp_path: Path, name: str) -> None:
    write_text(tmp_path / name, NEW)
    assert names(tmp_path) == [name]


def test_a_relative_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_text("here.txt", NEW)
    assert names(tmp_path) == ["here.txt"]


def test_a_symbolic_link_stays_one(target: Path) -> None:
    link = target.with_name("link")
    link.symlink_to(target.name)
    write_text(link, NEW)
    assert link.is_symlink() and target.read_text() == NEW


def test_a_reader_never_sees_a_mixture(target: Path) -> None:
    versions = ["a" * 200_000, "b" * 200_000]
    write_text(target, versions[0])
    done = threading.Event()
    seen: list[str] = []

    def read() -> None:
        while not done.is_set():
            seen.append(target.read_text())

    reader = threading.Thread(target=read)
    reader.start()
    for turn in range(60):
        write_text(target, versions[turn % 2])
    done.set()
    reader.join()
    assert seen and set(seen) <= set(versions)


# --- failure


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, GeneratorExit, InputError])
def test_a_failure_inside_leaves_the_old_content(target: Path, error: type[BaseException]) -> None:
    with pytest.raises(error, match="stop"), atomic_path(target) as temporary:
        temporary.write_text("half")
        raise error("stop")
    assert target.read_text() == OLD
    assert names(target.parent) == ["result.txt"]


def test_a_failure_inside_leaves_no_new_file(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), atomic_path(tmp_path / "new") as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert names(tmp_path) == []


def test_a_block_that_removes_its_file(target: Path) -> None:
    with pytest.raises(OutputError, match="no such file"), atomic_path(target) as temporary:
        temporary.unlink()
    assert target.read_text() == OLD


@linux
def test_a_full_device_is_an_output_error(target: Path) -> None:
    with (
        pytest.raises(OutputError, match=r"cannot write .*result\.txt: no space left"),
        atomic_path(target),
        Path("/dev/full").open("w") as full,
    ):
        full.write(NEW)
    assert target.read_text() == OLD
    assert names(target.parent) == ["result.txt"]


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"cannot write .*nowhere/a: no such file or directory"):
        write_text(tmp_path / "nowhere" / "a", NEW)
    assert names(tmp_path) == []


def test_a_folder_that_is_a_file(target: Path) -> None:
    with pytest.raises(OutputError, match="not a directory"):
        write_text(target / "a", NEW)
    assert target.read_text() == OLD


def test_a_directory_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match="not a regular file; choose another name"):
        write_text(tmp_path / "folder", NEW)
    assert (tmp_path / "folder").is_dir()
    assert names(tmp_path) == ["folder"]


def test_a_device_is_not_replaced() -> None:
    with pytest.raises(OutputError, match="cannot write /dev/null: it is not a regular file"):
        write_text("/dev/null", NEW)
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


def test_a_pipe_is_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OutputError, match="not a regular file"):
        write_text(tmp_path / "pipe", NEW)
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_a_name_that_is_too_long(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="file name too long"):
        write_text(tmp_path / ("x" * 256), NEW)
    assert names(tmp_path) == []


def test_a_folder_that_may_not_be_written(tmp_path: Path) -> None:
    code = """
        import os, sys
        from wordalloc.errors import OutputError
        from wordalloc.files import write_text
        if os.geteuid() == 0:
            os.setuid(65534)  # root may write everywhere
        try:
            write_text(sys.argv[1], "new")
        except OutputError as error:
            print(error)
    """
    tmp_path.chmod(0o555)
    try:
        result = python(code, tmp_path / "a")
    finally:
        tmp_path.chmod(0o755)
    assert result.stderr == ""
    assert (
        result.stdout
        == f"cannot write {tmp_path / 'a'}: permission denied (choose another place); the file is left as it was\n"
    )
    assert names(tmp_path) == []


LIMITED = """
    import resource, sys
    import wordalloc
    from wordalloc.errors import OutputError
    from wordalloc.files import write_text
    vocabulary = wordalloc.Vocabulary.from_counts([f"word{i}" for i in range(20_000)], range(20_000))
    wordalloc.save(wordalloc.Vocabulary(["a"], [1]), sys.argv[2])  # loads what saving loads, before the limit
    resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))
    try:
        write_text(sys.argv[1], "x" * 100_000) if sys.argv[3] == "text" else wordalloc.save(vocabulary, sys.argv[1])
    except OutputError as error:
        print(error)
"""


@pytest.mark.parametrize("what", ["text", "allocation"])
def test_a_disk_that_fills_up_while_writing(target: Path, what: str, tmp_path_factory) -> None:
    small = tmp_path_factory.mktemp("small") / "small.safetensors"
    result = python(LIMITED, target, small, what)
    assert result.stderr == ""
    assert result.stdout.startswith(f"cannot write {target}: ")
    assert "too large" in result.stdout.lower()
    assert result.stdout.count("\n") == 1
    assert target.read_text() == OLD
    assert names(target.parent) == ["result.txt"]


def test_a_kill_in_the_middle_leaves_the_old_content(target: Path) -> None:
    code = """
        import sys, time
        from wordalloc.files import atomic_path
        with atomic_path(sys.argv[1]) as temporary:
            temporary.write_text("half")
            print("half", flush=True)
            time.sleep(60)
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), str(target)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.readline() == "half\n"
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    assert target.read_text() == OLD
    write_text(target, NEW)  # what the kill left behind is in nobody's way
    assert target.read_text() == NEW


@linux
def test_no_descriptor_leaks(target: Path) -> None:
    before = len(names(Path("/proc/self/fd")))
    for turn in range(20):
        write_text(target, NEW)
        with pytest.raises(ValueError, match="stop"), atomic_path(target):
            raise ValueError(f"stop {turn}")
    assert len(names(Path("/proc/self/fd"))) == before


# --- the cache folder


def test_the_cache_is_below_the_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORDALLOC_CACHE", str(tmp_path / "deep" / "root"))
    folder = cache_directory("ids")
    assert folder == tmp_path / "deep" / "root" / "ids"
    assert names(folder) == []
    assert cache_directory("ids") == folder


@pytest.mark.parametrize("name", ["ids", "numba/kernels"])
def test_a_cache_that_cannot_be_made_is_replaced_until_the_process_ends(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("in the way")
    code = """
        import sys
        from wordalloc.files import cache_directory
        folder = cache_directory(sys.argv[1])
        (folder / "x").write_text("usable")
        assert cache_directory(sys.argv[1]) == folder
        print(folder)
    """
    result = python(code, name, WORDALLOC_CACHE=str(tmp_path / "file"), TMPDIR=str(tmp_path))
    assert result.stderr == ""
    folder = Path(result.stdout.strip())
    assert folder.is_relative_to(tmp_path) and folder.parts[-1] == name.split("/")[-1]
    assert names(tmp_path) == ["file"]  # the temporary folder went with its process
    assert (tmp_path / "file").read_text() == "in the way"


# --- errors


@pytest.mark.parametrize("kind", [WordallocError, InputError, FormatError, OutputError, RunError])
def test_a_message_is_one_line(kind: type[WordallocError]) -> None:
    assert str(kind("bad\nname.txt: no\r\nsuch\u2028file")) == "bad name.txt: no such file"


def test_exit_statuses_and_built_in_bases() -> None:
    assert {kind.__name__: kind.exit_status for kind in (InputError, FormatError, OutputError, RunError)} == {
        "InputError": 2,
        "FormatError": 2,
        "OutputError": 2,
        "RunError": 1,
    }
    assert issubclass(InputError, ValueError) and issubclass(OutputError, OSError)
    assert issubclass(FormatError, InputError) and issubclass(RunError, RuntimeError)


def test_the_cache_is_made_for_one_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORDALLOC_CACHE", str(tmp_path))
    before = os.umask(0)
    try:
        assert cache_directory("numba").stat().st_mode & 0o777 == 0o700
    finally:
        os.umask(before)


@pytest.mark.parametrize("mode", [0o770, 0o702, 0o777], ids=oct)
def test_a_cache_that_others_could_write_to_is_put_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int
) -> None:
    monkeypatch.setenv("WORDALLOC_CACHE", str(tmp_path))
    planted = tmp_path / "numba"
    planted.mkdir()
    planted.chmod(mode)
    (planted / "theirs").touch()
    folder = cache_directory("numba")
    assert folder == planted == cache_directory("numba")
    assert folder.stat().st_mode & 0o777 == 0o700 and not names(folder)
    (aside,) = set(tmp_path.iterdir()) - {folder}
    assert aside.name.startswith("numba-not-private-") and names(aside) == ["theirs"]


def test_a_cache_that_a_link_leads_to_is_left_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORDALLOC_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    (tmp_path / "cache" / "ids").symlink_to(tmp_path / "open")
    assert tmp_path not in cache_directory("ids").parents
    assert names(tmp_path / "cache") == ["ids"] and (tmp_path / "open").stat().st_mode & 0o777 == 0o777


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_cache_of_somebody_else_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORDALLOC_CACHE", str(tmp_path))
    (tmp_path / "ids").mkdir(mode=0o700)
    os.chown(tmp_path / "ids", 65534, 65534)
    assert tmp_path not in cache_directory("ids").parents


def test_a_name_that_holds_nul_is_refused() -> None:
    with pytest.raises(OutputError, match="holds NUL"), atomic_path("a\0b"):
        pass
