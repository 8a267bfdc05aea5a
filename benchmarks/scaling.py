"""Time and peak memory of every algorithm as its input grows, and what that foretells for 10⁸ words and 10¹³ tokens.

    python benchmarks/scaling.py --limit 60 --results scaling.jsonl     # every algorithm
    python benchmarks/scaling.py --algorithms "huffman*,counting" --limit 20
    python benchmarks/scaling.py memory                                 # 2 GB of text under --memory-limit 512MB

Each measurement is a process of its own: it warms up on a small input, so that imports and compiling are not in the
time, makes its input (generated, by seed), resets the kernel's record of its peak memory, and runs. It is killed after
--limit seconds. Sizes grow tenfold, or √10-fold, as long as the next is foreseen to stay within the limits. Peaks are
resident bytes of the whole process, input, interpreter and libraries included; the power is fitted to what stands
above an empty process. --results keeps each measurement, and a run that was broken off goes on from there.
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
from dataclasses import asdict, dataclass
from pathlib import Path

import growth
from scaling_cases import CASES, Case

DAY = 86_400.0
TARGETS = {"words": 1e8, "tokens": 1e13, "classes": 1e5}
TOLERANCE = 0.2  # of exponents: logarithms, caches that no longer hold the data, noise
SHORT = 0.05  # seconds: below, a time says nothing of growth
DISTRIBUTED = ("counting", "bigrams", "encoding")  # what --engine spark does
PREPARATION = 600.0  # seconds


@dataclass(frozen=True)
class Point:
    """One measurement; seconds and peak are None where it was broken off, `outcome` says why."""

    algorithm: str
    n: int
    outcome: str  # done, time, memory or failed
    seconds: float | None = None
    peak: int | None = None  # bytes
    base: int | None = None  # bytes of the warmed-up process before it had an input


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
        began = time.perf_counter()
        work()
        point = Point(case.name, n, "done", time.perf_counter() - began, peak_bytes(), base)
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
            line = child.stdout.readline() if select.select([child.stdout], [], [], PREPARATION)[0] else b""
            out, _ = child.communicate(timeout=limit if line else 0)
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


def laws(case: Case, points: Sequence[Point]) -> tuple[growth.PowerLaw | None, growth.PowerLaw | None]:
    """The powers of time and of memory above the base, None where too little was measured."""
    done = [point for point in points if point.seconds is not None and point.peak and point.base]
    if not done:
        return None, None
    base = min(point.base for point in done if point.base)
    slow = [point for point in done if point.seconds and point.seconds >= SHORT]
    large = [point for point in done if point.peak and point.peak > 1.1 * base]
    times = growth.fit([point.n for point in slow], [point.seconds or 0 for point in slow])
    peaks = growth.fit([point.n for point in large], [float(point.peak or 0) for point in large], base)
    return times, peaks


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


# -- tables -----------------------------------------------------------------------------------------------------------


def size(n: float) -> str:
    return f"{n:,.0f}" if n < 1e6 else f"{n:.1e}"


def duration(seconds: float) -> str:
    for unit, length in (("years", 365 * DAY), ("days", DAY), ("hours", 3600.0), ("min", 60.0)):
        if seconds >= 2 * length:
            return f"{seconds / length:,.1f} {unit}"
    return f"{seconds:.3f} s" if seconds < 10 else f"{seconds:.1f} s"


def gigabytes(n: float) -> str:
    return f"{n / 1e9:,.2f} GB"


def aligned(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest entry, the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = (
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip() for row in (head, *rows)
    )
    return "\n".join(lines)


def measured(points: Sequence[Point], units: dict[str, str]) -> str:
    rows = [
        (
            point.algorithm,
            f"{size(point.n)} {units[point.algorithm]}",
            duration(point.seconds) if point.seconds is not None else f"broken off: {point.outcome}",
            gigabytes(point.peak) if point.peak else "",
        )
        for point in points
    ]
    return aligned(["measured", "size", "time", "peak"], rows)


def exponent(law: growth.PowerLaw | None, stated: float) -> str:
    if law is None:
        return f"? of {stated:g}"
    return f"{law.exponent:.2f} of {stated:g}" + (" !" if law.exponent > stated + TOLERANCE else "")


def summary(case: Case, points: Sequence[Point], memory: int) -> dict[str, object]:
    """What is said of one case: exponents, projections, and what fits here."""
    times, peaks = laws(case, points)
    target = TARGETS[case.unit]
    within = {name: law.largest(limit) for name, law, limit in (("time", times, DAY), ("memory", peaks, memory)) if law}
    ends = min(within, key=within.__getitem__, default="?")
    fits = within.get(ends, 0.0)
    verdict = "fits" if fits >= target else "needs Spark" if case.name in DISTRIBUTED else f"no: {ends}"
    return {
        "algorithm": case.name,
        "unit": case.unit,
        "fixed": case.fixed,
        "time": exponent(times, case.time),
        "memory": exponent(peaks, case.memory),
        "faster than stated": any(
            "!" in exponent(law, power) for law, power in ((times, case.time), (peaks, case.memory))
        ),
        "target": target,
        "target seconds": times.at(target) if times else None,
        "target bytes": peaks.at(target) if peaks else None,
        "largest here": fits,
        "ended by": ends,
        "verdict": verdict,
    }


def report(cases: Sequence[Case], points: Sequence[Point], memory: int) -> None:
    summaries = [summary(case, [p for p in points if p.algorithm == case.name], memory) for case in cases]
    print(measured(points, {case.name: case.unit for case in cases}))
    grown = [
        (
            str(row["algorithm"]),
            str(row["fixed"]),
            str(row["time"]),
            str(row["memory"]),
            f"{size(float(str(row['target'])))} {row['unit']}",
            duration(float(str(row["target seconds"]))) if row["target seconds"] else "?",
            gigabytes(float(str(row["target bytes"]))) if row["target bytes"] else "?",
        )
        for row in summaries
    ]
    head = ["grows as n to the power", "held", "time", "memory", "projected to", "time", "peak"]
    print("\n" + aligned(head, grown) + "\n! more than stated by over " + str(TOLERANCE))
    fitting = [
        (
            str(row["algorithm"]),
            f"{size(float(str(row['largest here'])))} {row['unit']}",
            str(row["ended by"]),
            f"{size(float(str(row['target'])))}",
            str(row["verdict"]),
        )
        for row in summaries
    ]
    title = f"within {gigabytes(memory)} and a day"
    print("\n" + aligned([title, "up to", "ended by", "and", "is"], fitting))


# -- counting under a memory limit ------------------------------------------------------------------------------------


def under_limit(folder: Path) -> None:
    """Count 2 GB of text with up to 10⁷, and with tens of millions of distinct words; print time and peak."""
    import zipf_text

    rows = []
    for words, n_tokens in ((10_000_000, 470_000_000), (100_000_000, 440_000_000)):
        path = folder / "big.txt"
        n_bytes = zipf_text.write_text(path, words, n_tokens)
        for kept in ("100000", None):
            target = folder / "counted.safetensors"
            command = [sys.executable, "-m", "wordalloc", "count", str(path), "-o", str(target), "--json"]
            command += ["--memory-limit", "512MB", *(("--max-size", kept) if kept else ("--min-count", "2"))]
            began = time.perf_counter()
            child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            assert child.stdout is not None
            answer = json.loads(child.stdout.read() or "{}")
            usage = os.wait4(child.pid, 0)[2]
            seconds, peak = time.perf_counter() - began, usage.ru_maxrss * 1024
            found = f"{answer.get('vocab_size', 'failed')}"
            limits = "--max-size 100000" if kept else "--min-count 2"
            rows.append((f"V = {words:,}", gigabytes(n_bytes), limits, found, duration(seconds), gigabytes(peak)))
            print(*rows[-1], file=sys.stderr, flush=True)
        path.unlink()
    print(aligned(["--memory-limit 512MB", "text", "limits", "words kept", "time", "peak"], rows))


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
