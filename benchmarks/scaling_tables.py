"""What `scaling.py` prints: the measurements, how they grow beside what is stated, and what fits on this machine."""

from __future__ import annotations

from collections.abc import Sequence

import growth
from scaling_cases import Case, Point

DAY = 86_400.0
TARGETS = {"words": 1e8, "tokens": 1e13, "classes": 1e5}
TOLERANCE = 0.2  # of exponents: logarithms, caches that no longer hold the data, noise
SHORT = 0.05  # seconds: below, a time says nothing of growth
DISTRIBUTED = ("counting", "bigrams", "encoding")  # what --engine spark does


def laws(case: Case, points: Sequence[Point]) -> tuple[growth.PowerLaw | None, growth.PowerLaw | None]:
    """The powers of time and of memory above the base, None where too little was measured.

    Time is that of the program's own code, where it is known, not the kernel's: what the allocator keeps of small
    arrays it asks for anew, page by page, where they are large, and this is the machine's growth, not the algorithm's.
    """
    done = [point for point in points if point.seconds is not None and point.peak and point.base]
    if not done:
        return None, None
    base = min(point.base for point in done if point.base)
    slow = [point for point in done if (point.work or point.seconds or 0) >= SHORT]
    large = [point for point in done if point.peak and point.peak > 1.1 * base]
    times = growth.fit([point.n for point in slow], [point.work or point.seconds or 0 for point in slow])
    peaks = growth.fit([point.n for point in large], [float(point.peak or 0) for point in large], base)
    return times, peaks


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
            duration(point.work) if point.work else "",
            gigabytes(point.peak) if point.peak else "",
        )
        for point in points
    ]
    return aligned(["measured", "size", "time", "own", "peak"], rows)


def exponent(law: growth.PowerLaw | None, stated: float) -> str:
    if law is None:
        return f"? of {stated:g}"
    return f"{law.exponent:.2f} of {stated:g}" + (" !" if law.exponent > stated + TOLERANCE else "")


def summary(case: Case, points: Sequence[Point], memory: int) -> dict[str, object]:
    """What is said of one case: exponents, projections, and what fits here."""
    times, peaks = laws(case, points)
    target = TARGETS[case.unit]
    done = [point for point in points if point.seconds and point.peak]
    last = max(done, key=lambda point: point.n, default=None)
    foretold = {}
    if times and last:
        foretold["time"] = times.no_slower(case.time, last.n, last.seconds or 0.0)
    if peaks and last:  # what Spark does spills to disk here
        spills = case.name in DISTRIBUTED
        foretold["memory"] = peaks if spills else peaks.no_slower(case.memory, last.n, float(last.peak or 0))
    limits = {"time": DAY, "memory": memory}
    within = {name: law.largest(limits[name]) for name, law in foretold.items()}
    ends = min(within, key=within.__getitem__, default="?")
    fits = within.get(ends, 0.0)
    verdict = "fits" if fits >= target else "needs Spark" if case.name in DISTRIBUTED else f"no: {ends}"
    return {
        "algorithm": case.name,
        "unit": case.unit,
        "fixed": case.fixed,
        "time": exponent(times, case.time),
        "memory": exponent(peaks, case.memory),
        "grows more than stated": any(
            "!" in exponent(law, power) for law, power in ((times, case.time), (peaks, case.memory))
        ),
        "target": target,
        "target seconds": foretold["time"].at(target) if "time" in foretold else None,
        "target bytes": foretold["memory"].at(target) if "memory" in foretold else None,
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
