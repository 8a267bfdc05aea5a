"""Time and peak memory of every algorithm as its input grows, and what that foretells for 10⁸ words and 10¹³ tokens.

    python benchmarks/scaling.py --limit 60 --results scaling.jsonl     # every algorithm
    python benchmarks/scaling.py --algorithms "Huffman*,counting" --limit 20
    python benchmarks/scaling.py memory                                 # 2 GB of text under --memory-limit 512MB

Each measurement is a process of its own: it warms up on a small input, so that imports and compiling are not in the
time, makes its input (generated, by seed), resets the kernel's record of its peak memory, and runs. It is killed after
--limit seconds. Sizes grow tenfold, or √10-fold, as long as the next is foreseen to stay within the limits. Peaks are
resident bytes of the whole process, input, interpreter and libraries included; the power is fitted to what stands
above an empty process, and to the processors' time in the program's own code. --results keeps each measurement, and a
run that was broken off goes on from there.
"""

from __future__ import annotations

import argparse
import ctypes
import fnmatch
import gc
import json
import os
import re
import resource
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import zipf_text
from scaling_cases import CASES, Case, Point
from scaling_tables import aligned, duration, gigabytes, measured, report, summary

PREPARATION = 600.0  # seconds


# -- the process that measures ----------------------------------------------------------------------------------------


def measure(case: Case, n: int, folder: Path, memory: int) -> None:
    """Run one case at one size; print what was found as JSON."""
    small = folder / "small"
    small.mkdir(exist_ok=True)
    case.prepare(case.first // 10, small)()
    base = peak_bytes()
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    try:
        work = case.prepare(n, folder)
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        print("ready", flush=True)
        began, own = time.perf_counter(), os.times().user
        work()
        seconds, own = time.perf_counter() - began, os.times().user - own
        point = Point(case.name, n, "done", seconds, peak_bytes(), base, own)
    except MemoryError:
        point = Point(case.name, n, "memory")
    print(json.dumps(asdict(point)), flush=True)


def peak_bytes() -> int:
    """Peak resident memory of this process."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return 1024 * int(found[1]) if found else 0


# -- the process that asks --------------------------------------------------------------------------------------------


def ask(case: Case, n: int, folder: Path, limit: float, memory: int) -> Point:
    """Measure in a new process, killed when its time is over."""
    command = [sys.executable, __file__, "--point", case.name, str(n), "--work", str(folder), "--memory", str(memory)]
    environment = {**os.environ, "WORDALLOC_CACHE": str(folder / "cache")}
    with (
        tempfile.TemporaryFile() as errors,
        # Unbuffered: what stands behind the first line is left to be read.
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, bufsize=0, env=environment) as child,
    ):
        assert child.stdout is not None
        try:
            prepared = select.select([child.stdout], [], [], PREPARATION)[0]
            line = child.stdout.readline() if prepared else b""
            out, _ = child.communicate(timeout=limit if prepared else 0)
        except subprocess.TimeoutExpired:
            child.kill()
            return Point(case.name, n, "time")
        errors.seek(0)
        complaint = errors.read().decode(errors="replace")
    answer = out or line
    if answer.startswith(b"{"):
        return Point(**json.loads(answer))
    if child.returncode == -9 or "emory" in complaint:  # by the system, or as an error of a library
        return Point(case.name, n, "memory")
    print(complaint, file=sys.stderr)
    return Point(case.name, n, "failed")


def next_size(case: Case, points: Sequence[Point], limit: float, memory: int) -> int | None:
    """The next size to measure: ten times the last, or √10 times, whichever is foreseen to fit; None at the end."""
    if not points:
        return case.first
    last = points[-1]
    if last.seconds is None or last.peak is None or last.base is None:
        return None
    for factor in (10, 10**0.5):
        n = round(last.n * factor)
        seconds = last.seconds * factor**case.time
        peak = last.base + (last.peak - last.base) * factor**case.memory
        if n <= case.last and seconds <= limit and peak <= memory:
            return n
    return None


def run(cases: Sequence[Case], known: list[Point], options: argparse.Namespace, folder: Path) -> Iterator[Point]:
    """Yield the measurements that are not known yet."""
    for case in cases:
        points = [point for point in known if point.algorithm == case.name]
        while (n := next_size(case, points, options.limit, options.memory)) is not None:
            point = ask(case, n, folder, options.limit, options.memory)
            points.append(point)
            yield point


# -- counting under a memory limit ------------------------------------------------------------------------------------


def under_limit(folder: Path) -> None:
    """Count 2 GB of text of ten million words, all kept, and of tens of millions; print the time and peak of each."""
    rows = []
    for words, n_tokens, limits in (
        (10_000_000, 470_000_000, []),
        (100_000_000, 440_000_000, ["--max-size", "100000"]),
    ):
        path, target = folder / "big.txt", folder / "counted.safetensors"
        written = zipf_text.write_text(path, words, n_tokens)
        command = [sys.executable, "-m", "wordalloc", "count", str(path), "-o", str(target), "--json", *limits]
        began = time.perf_counter()
        child = subprocess.Popen([*command, "--memory-limit", "512MB"], stdout=subprocess.PIPE)
        assert child.stdout is not None
        answer = json.loads(child.stdout.read() or "{}")
        seconds, usage = time.perf_counter() - began, os.wait4(child.pid, 0)[2]
        kept = f"{answer['vocab_size']:,}" if answer else "failed"
        peak = gigabytes(usage.ru_maxrss * 1024)
        rows.append((f"law over {words:,} words", gigabytes(written), kept, duration(seconds), peak))
        path.unlink()
    print(aligned(["--memory-limit 512MB", "text", "words kept", "time", "peak"], rows))


# -- the command ------------------------------------------------------------------------------------------------------


def n_bytes(text: str) -> int:
    """``12GB`` in bytes."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)B?", text.strip(), re.IGNORECASE)
    if not found:
        raise argparse.ArgumentTypeError(f"expected a number and a unit, such as 12GB, not {text!r}")
    return int(float(found[1]) * 1000 ** " KMGT".index(found[2].upper() or " "))


def chosen(names: str) -> list[Case]:
    patterns = [name.strip().lower() for name in names.split(",")]
    found = [case for case in CASES if any(fnmatch.fnmatch(case.name.lower(), pattern) for pattern in patterns)]
    if not found:
        sys.exit(f"no algorithm is called {names}; there are: {', '.join(case.name for case in CASES)}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    parser.add_argument("what", nargs="?", choices=["growth", "memory"], default="growth")
    parser.add_argument("--algorithms", default="*", metavar="A,B", help="names or patterns (default: all)")
    parser.add_argument("--limit", type=float, default=60.0, metavar="SECONDS", help="of one measurement")
    parser.add_argument("--memory", type=n_bytes, default=physical * 3 // 4, metavar="SIZE", help="such as 12GB")
    parser.add_argument("--results", type=Path, metavar="FILE", help="JSON lines, kept and taken up again")
    parser.add_argument("--work", type=Path, metavar="FOLDER", help="for generated inputs, kept (default: temporary)")
    parser.add_argument("--json", action="store_true", help="print points and summaries as JSON")
    parser.add_argument("--point", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.point:
        case = next(case for case in CASES if case.name == options.point[0])
        measure(case, int(options.point[1]), options.work, options.memory)
        return
    with tempfile.TemporaryDirectory(prefix="wordalloc-scaling-") as temporary:
        folder = options.work or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        if options.what == "memory":
            under_limit(folder)
        else:
            grow(options, folder)


def grow(options: argparse.Namespace, folder: Path) -> None:
    cases = chosen(options.algorithms)
    names = {case.name for case in cases}
    points: list[Point] = []
    if options.results and options.results.exists():
        points = [Point(**json.loads(line)) for line in options.results.read_text().splitlines()]
        points = [point for point in points if point.algorithm in names]
    for point in run(cases, list(points), options, folder):
        points.append(point)
        print(measured([point], {case.name: case.unit for case in cases}).split("\n")[1], file=sys.stderr, flush=True)
        if options.results:
            with options.results.open("a") as file:
                file.write(json.dumps(asdict(point)) + "\n")
    if options.json:
        summaries = [summary(case, [p for p in points if p.algorithm == case.name], options.memory) for case in cases]
        print(json.dumps({"points": [asdict(point) for point in points], "growth": summaries}, indent=1))
    else:
        report(cases, points, options.memory)


if __name__ == "__main__":
    main()
