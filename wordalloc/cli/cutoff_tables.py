"""What ``wordalloc cutoffs`` shows besides an optimum: its frontiers, and measured times; tables and JSON."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import click

from wordalloc.cli.progress import progress_bar
from wordalloc.cli.render import milliseconds, percent, print_table

if TYPE_CHECKING:
    from wordalloc.algorithms.cutoff_frontier import FrontierPoint
    from wordalloc.allocations import Cutoffs
    from wordalloc.pipelines.verify import Verified


@dataclass(frozen=True)
class Frontiers:
    """Time against parameters, with the knee of that, and time against head mass."""

    parameters: Sequence[FrontierPoint]
    head_mass: Sequence[FrontierPoint]
    knee: FrontierPoint | None


def find_frontiers(best: Cutoffs) -> Frontiers:
    """Compute both frontiers of the problem that `best` answers, behind progress bars."""
    from wordalloc.algorithms.cutoff_frontier import cutoff_frontier, head_mass_frontier, knee

    with progress_bar("time against parameters") as progress:
        points = cutoff_frontier(best, progress=progress)
    with progress_bar("time against head mass") as progress:
        return Frontiers(points, head_mass_frontier(best, progress=progress), knee(points))


def frontiers_json(frontiers: Frontiers) -> dict[str, Any]:
    """Return the frontiers as a JSON object; the knee is null where there is none."""
    return {
        "parameters": [_point_json(point) for point in frontiers.parameters],
        "head_mass": [_point_json(point) for point in frontiers.head_mass],
        "knee": None if frontiers.knee is None else _point_json(frontiers.knee),
    }


def print_frontiers(best: Cutoffs, n_parameters: int, frontiers: Frontiers) -> None:
    """Print both frontiers, with the knee and the cutoffs that were chosen marked."""
    from wordalloc.algorithms.cutoff_frontier import FrontierPoint

    cost, mass = best.parameters["objective"], float(best.masses[0])
    cutoffs = tuple(best.cutoffs.tolist())
    chosen = FrontierPoint(cutoffs, cost, n_parameters, mass, best.parameters["min_head_mass"])

    points = frontiers.parameters
    click.echo("\nTime against parameters, under the constraints on head and tail (the convex frontier):\n")
    rows = _with_chosen(points, chosen)
    rows.sort(key=lambda point: (point.parameters, -point.cost))
    _print_points(rows, chosen, frontiers.knee)
    if len(points) > 1:
        small, fast = points[0], points[-1]
        fewer, slower = 1 - small.parameters / fast.parameters, small.cost / fast.cost - 1
        click.echo(
            f"\nThe smallest layer has {percent(fewer)} fewer parameters than the fastest and takes {percent(slower)} "
            "more time."
        )

    click.echo("\nTime against head mass (the exact optimum for each least share of the tokens in the head):\n")
    rows = _with_chosen(frontiers.head_mass, chosen)
    rows.sort(key=lambda point: (point.min_head_mass, point.cost))
    _print_points(rows, chosen, None, by_head_mass=True)


def _with_chosen(points: Sequence[FrontierPoint], chosen: FrontierPoint) -> list[FrontierPoint]:
    """Return the points and the chosen cutoffs, which a bound on the parameters can put off the frontier."""
    return [*points] if any(_same(point, chosen) for point in points) else [*points, chosen]


def _same(point: FrontierPoint, other: FrontierPoint) -> bool:
    return (point.cutoffs, point.min_head_mass) == (other.cutoffs, other.min_head_mass)


def _print_points(
    points: Sequence[FrontierPoint], chosen: FrontierPoint, knee: FrontierPoint | None, by_head_mass: bool = False
) -> None:
    rows, mark = [], -1
    for number, point in enumerate(points):
        notes = ["knee"] if knee is not None and _same(point, knee) else []
        if _same(point, chosen):
            mark, notes = number, [*notes, "chosen"]
        asked = [percent(point.min_head_mass)] if by_head_mass else []
        cutoffs = ", ".join(f"{cutoff:,}" for cutoff in point.cutoffs) or "–"
        figures = (f"{point.parameters:,}", milliseconds(point.cost), percent(point.head_mass))
        rows.append((*asked, *figures, cutoffs, ", ".join(notes)))
    columns = [*(["at least"] if by_head_mass else []), "parameters", "time a step", "in the head", "cutoffs", "note"]
    print_table(columns, rows, text=["cutoffs", "note"], mark=mark)


def _point_json(point: FrontierPoint) -> dict[str, Any]:
    fields = asdict(point)
    return {"cutoffs": list(fields.pop("cutoffs")), "expected_cost": fields.pop("cost"), **fields}


def find_verified(best: Cutoffs, seed: int) -> list[Verified]:
    """Measure the layer at `best` and at other cutoffs, behind a progress bar."""
    from wordalloc.pipelines.verify import verify

    with progress_bar("measuring") as progress:
        return verify(best, seed=seed, progress=progress)


def verified_json(rows: Sequence[Verified]) -> list[dict[str, Any]]:
    """Return the measured cutoffs as JSON objects; times are seconds a step."""
    return [
        {
            "name": row.name,
            "cutoffs": row.cutoffs.cutoffs.tolist(),
            "feasible": row.feasible,
            "predicted": row.predicted,
            "measured": row.measured.seconds,
            "spread": row.measured.spread,
        }
        for row in rows
    ]


def print_verified(rows: Sequence[Verified]) -> None:
    """Print predicted beside measured times, and how far they are apart."""
    click.echo(
        "\nMeasured here, a training step with AdamW: the median, the distance of the quartiles as a share of it,\n"
        "and the ratio predicted ÷ measured:\n"
    )
    best = rows[0].measured.seconds
    print_table(
        ["choice", "cutoffs", "predicted", "measured", "spread", "ratio", "÷ optimum", "note"],
        [
            (
                row.name,
                ", ".join(f"{cutoff:,}" for cutoff in row.cutoffs.cutoffs.tolist()) or "–",
                milliseconds(row.predicted),
                milliseconds(row.measured.seconds),
                percent(row.measured.spread),
                f"{row.predicted / row.measured.seconds:.2f}",
                f"{row.measured.seconds / best:.2f}",
                "" if row.feasible else "infeasible",
            )
            for row in rows
        ],
        text=["cutoffs", "note"],
        mark=0,
    )
    errors = [abs(row.predicted / row.measured.seconds - 1) for row in rows]
    click.echo(
        f"\nPredictions are off by {percent(statistics.median(errors))} (median), {percent(max(errors))} at most."
    )
