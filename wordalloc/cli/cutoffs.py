"""``wordalloc cutoffs``: the best adaptive-softmax cutoffs, what they cost and what they gain."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wordalloc.checks import printable
from wordalloc.cli.counting import counted, vocabulary_summary
from wordalloc.cli.cutoff_tables import (
    find_frontiers,
    find_verified,
    frontiers_json,
    print_frontiers,
    print_verified,
    verified_json,
)
from wordalloc.cli.progress import progress_bar
from wordalloc.cli.render import echo_written, emit_json, json_option, milliseconds, output_option, percent, print_table
from wordalloc.cli.sources import Source, source_command
from wordalloc.errors import InputError
from wordalloc.files import unreadable

_MAKES_ONE = "wordalloc calibrate makes one"

if TYPE_CHECKING:
    from wordalloc.algorithms.copied_constants import Alternative
    from wordalloc.algorithms.cost_model import CostModel
    from wordalloc.allocations import Cutoffs


@click.command()
@source_command
@click.option("--clusters", type=click.IntRange(min=0), metavar="J", help="Exactly J tail clusters.")
@click.option(
    "--max-clusters", type=click.IntRange(min=1), default=5, show_default=True, metavar="J", help="The best up to J."
)
@click.option("--dim", type=click.IntRange(min=1), default=512, show_default=True, help="Width d of the hidden state.")
@click.option("--batch", type=click.IntRange(min=1), default=4096, show_default=True, help="Tokens in a step.")
@click.option(
    "--div-value", type=float, default=4.0, show_default=True, help="Tail cluster i has width d / div-value^i."
)
@click.option("--profile", type=click.Path(), metavar="FILE", help="The device's cost model, as JSON.")
@click.option("--min-head-mass", type=float, metavar="P", help="Least share of tokens that the head answers.")
@click.option("--min-head", type=click.IntRange(min=1), metavar="N", help="Least number of words in the head.")
@click.option("--min-tail-share", type=float, metavar="P", help="Least share, of what reaches it, a tail answers.")
@click.option("--max-params", type=click.IntRange(min=1), metavar="N", help="Most parameters of the layer.")
@click.option("--frontier", is_flag=True, help="Show time against parameters, and against head mass.")
@click.option("--verify", is_flag=True, help="Measure the layer here, at these and at other cutoffs.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of --verify's random cutoffs.")
@output_option("default: ./<source>.cutoffs.safetensors")
@json_option
def cutoffs(
    source: Source,
    clusters: int | None,
    profile: str | None,
    frontier: bool,
    verify: bool,
    seed: int,
    output: str | None,
    as_json: bool,
    **parameters: Any,
) -> None:
    """Find the adaptive-softmax cutoffs of least expected time: the exact optimum.

    Under --max-params the answer is exact or comes with how far above the optimum it can be at most. --frontier
    also prints what other bounds would give, and the knee. --verify measures the layer: give it the --profile of
    this device.

    SOURCE is a text (several files, - for stdin, .gz .bz2 .zst), ready counts (TSV, JSON, Parquet), a Hugging
    Face vocabulary with --counts or a text, or any file made by wordalloc.

    \b
    Example:
      wordalloc cutoffs corpus.txt --dim 256 --batch 1120
      wordalloc cutoffs corpus.txt --max-params 5000000 --frontier
      wordalloc cutoffs corpus.txt --profile profile.json --verify
    """
    from wordalloc.algorithms.adaptive_cutoffs import adaptive_cutoffs
    from wordalloc.algorithms.copied_constants import alternatives

    given = {name: value for name, value in parameters.items() if value is not None}
    cost_model = None if profile is None else read_profile(profile)
    vocabulary = source.vocabulary()
    target = source.output(output, "cutoffs")
    with progress_bar("optimising") as progress:
        best = adaptive_cutoffs(vocabulary, clusters, cost_model=cost_model, progress=progress, **given)
    frontiers = find_frontiers(best) if frontier else None
    verified = find_verified(best, seed) if verify else None
    best.save(target)
    if as_json:
        found = summary(best, alternatives(best), str(target))
        found |= {} if frontiers is None else {"frontier": frontiers_json(frontiers)}
        emit_json(found | ({} if verified is None else {"verified": verified_json(verified)}))
        return
    click.echo(f"{source.title}: {counted(vocabulary)}\n")
    _print(best, alternatives(best))
    if frontiers is not None:
        print_frontiers(best, _n_parameters(best, best.cutoffs.tolist()), frontiers)
    if verified is not None:
        print_verified(verified)
    echo_written(target)


def summary(best: Cutoffs, others: list[Alternative], output: str) -> dict[str, Any]:
    """Return the optimum and what it is compared with as a JSON object; costs are expected seconds a step."""
    found = best.parameters
    full, cost = found["full_cost"], found["objective"]
    return {
        **vocabulary_summary(best.vocabulary),
        "cutoffs": best.cutoffs.tolist(),
        "clusters": _clusters(best),
        "expected_cost": cost,
        "full_cost": full,
        "speedup": full / cost,
        "parameters": _n_parameters(best, best.cutoffs.tolist()),
        "max_params": found.get("max_params"),
        "exact": found["exact"],
        "lower_bound": found["lower_bound"],
        "gap": _gap(best),
        "constraints": {name: found[name] for name in ("min_head_mass", "min_head", "min_tail_share")},
        "by_clusters": [
            {
                **solution,
                "clusters": len(solution["cutoffs"]),
                "parameters": _n_parameters(best, solution["cutoffs"]),
                "speedup": full / solution["cost"],
            }
            for solution in found["solved"]
        ],
        "alternatives": [
            {
                "name": other.name,
                "cutoffs": other.cutoffs.cutoffs.tolist(),
                "expected_cost": other.cost,
                "parameters": _n_parameters(best, other.cutoffs.cutoffs.tolist()),
                "speedup": full / other.cost,
                "feasible": other.feasible,
            }
            for other in others
        ],
        "profile": found["profile"],
        "dim": found["dim"],
        "batch": found["batch"],
        "div_value": found["div_value"],
        "output": output,
    }


def _clusters(best: Cutoffs) -> list[dict[str, Any]]:
    """Return size, mass, width and cost of each cluster, the head first."""
    from wordalloc.algorithms.adaptive_cutoffs import problem_of
    from wordalloc.algorithms.cost_model import cluster_costs

    model, shape, _ = problem_of(best)
    costs = cluster_costs(model, shape, best.sizes, best.masses)
    return [
        {"size": size, "mass": mass, "width": shape.width(number), "expected_cost": cost}
        for number, (size, mass, cost) in enumerate(
            zip(best.sizes.tolist(), best.masses.tolist(), costs.tolist(), strict=True)
        )
    ]


def _n_parameters(best: Cutoffs, cutoffs: list[int]) -> int:
    """Return the parameters of the optimum's layer if it had these cutoffs."""
    from wordalloc.algorithms.adaptive_cutoffs import problem_of
    from wordalloc.algorithms.cutoff_programme import layer_parameters

    bounds = [0, *cutoffs, best.vocabulary.size]
    return layer_parameters(problem_of(best)[1], [end - start for start, end in itertools.pairwise(bounds)])


def _gap(best: Cutoffs) -> float:
    """Return how far the objective lies above its lower bound, as a share of it."""
    found = best.parameters
    return (found["objective"] - found["lower_bound"]) / max(abs(found["objective"]), 1e-30)


def _print(best: Cutoffs, others: list[Alternative]) -> None:
    found = best.parameters
    click.echo(f"Best cutoffs: {_shown(best.cutoffs.tolist()) or f'none: {_why_none(best)}'}")
    click.echo(
        f"{_quality(best)}for d = {found['dim']}, {found['batch']:,} tokens a step, "
        f"on {printable(found['profile']['name'])}: {milliseconds(found['objective'])} a step.\n"
    )
    starts = best.bounds.tolist()
    print_table(
        ["cluster", "ranks", "words", "tokens", "width", "time a step"],
        [
            (
                "head" if number == 0 else f"tail {number}",
                f"{starts[number]:,} – {starts[number + 1] - 1:,}",
                f"{cluster['size']:,}",
                percent(cluster["mass"]),
                f"{cluster['width']}",
                milliseconds(cluster["expected_cost"]),
            )
            for number, cluster in enumerate(_clusters(best))
        ],
    )
    click.echo(
        f"\nThe layer has {_n_parameters(best, best.cutoffs.tolist()):,} parameters; a full softmax has "
        f"{_n_parameters(best, []):,}.\n"
    )
    _print_choices(best, others)
    floor = f" and holds at least {found['min_head']:,} words" if found["min_head"] > 1 else ""
    bound = f";\nthe layer has at most {found['max_params']:,} parameters" if "max_params" in found else ""
    click.echo(
        f"\nConstraints: the head answers at least {percent(found['min_head_mass'])} of the tokens{floor};\n"
        f"each tail cluster but the last answers at least {percent(found['min_tail_share'])} of what reaches it{bound}."
    )


def _why_none(best: Cutoffs) -> str:
    """Say why the optimum has no tail cluster: the full softmax is the best, or the only one of those tried."""
    found = best.parameters
    if "max_clusters" in found and len(found["solved"]) == 1 and best.vocabulary.size > 1:
        return "the constraints leave no room for a tail cluster"
    return "a full softmax is cheapest"


def _quality(best: Cutoffs) -> str:
    """Say that the optimum is exact, or how far above it the result can be at most: rounded up to two digits."""
    found = best.parameters
    if found["exact"]:
        return "The exact optimum "
    above = max(100 * (found["objective"] / found["lower_bound"] - 1), 0.001)
    step = 10.0 ** (math.floor(math.log10(above)) - 1)
    above = math.ceil(above / step - 0.001) * step
    return f"At most {above:.2g} % above the best possible, by the convex frontier of time against parameters,\n"


def _print_choices(best: Cutoffs, others: list[Alternative]) -> None:
    """The optimum of each number of clusters, then what people copy: all by the same cost."""
    found = best.parameters
    full = found["full_cost"]
    choices = [
        (f"best with {len(solution['cutoffs'])}", solution["cutoffs"], solution["cost"], True)
        for solution in found["solved"]
        if solution["cutoffs"]
    ]
    chosen = next((i for i, choice in enumerate(choices) if choice[1] == best.cutoffs.tolist()), len(choices))
    choices.append(("full softmax", [], full, True))
    for other in others:
        choices.append((f"copied {other.name}", other.cutoffs.cutoffs.tolist(), other.cost, other.feasible))
    rows = []
    for name, cutoffs, cost, feasible in choices:
        parameters = _n_parameters(best, cutoffs)
        fits = parameters <= found.get("max_params", parameters)
        note = "breaks a constraint" if not feasible else "" if fits else "too many parameters"
        figures = (f"{parameters:,}", milliseconds(cost), f"{full / cost:.1f} ×")
        rows.append((name, _shown(cutoffs) or "–", *figures, note))
    columns = ["choice", "cutoffs", "parameters", "time a step", "full ÷ it", "note"]
    print_table(columns, rows, text=["cutoffs", "note"], mark=chosen)


def _shown(cutoffs: list[int]) -> str:
    return ", ".join(f"{cutoff:,}" for cutoff in cutoffs)


def read_profile(path: str) -> CostModel:
    """Read a cost model from a JSON file, as `wordalloc calibrate` writes it or with the numbers alone."""
    from wordalloc.algorithms.cost_model import CostModel

    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: the profile cannot be read: {unreadable(path, error)}; {_MAKES_ONE}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: the profile is not JSON: {error}; {_MAKES_ONE}") from error
    if isinstance(content, dict):
        content.pop("calibration", None)  # what the numbers rest on
    try:
        return CostModel.from_json(content)
    except InputError as error:
        raise InputError(f"{path}: {error}; {_MAKES_ONE}") from error
