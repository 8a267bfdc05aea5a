"""Adaptive softmax: the layer against others and against its bare matrix products; cutoffs, measured; top-10.

    python benchmarks/adaptive.py layers --text train.txt --json layers.json
    python benchmarks/adaptive.py cutoffs --json cutoffs.json
    python benchmarks/adaptive.py topk --run wordalloc-run --text valid.txt

`layers`: one training step's loss, forward and backward without an optimiser, of our layer, of torch's with the same
cutoffs, of full softmaxes, and of the three bare matrix products (forward, and by states and weights) of each matrix of
our layer: the floor. All take the same tokens, in turn; ratios are medians of the ratios of each round. Tokens are
drawn from the words' counts in the text, and from Zipf-Mandelbrot counts, 1 / (rank + 2.1)^1.2: the law that
`wordalloc buckets --by zipf` finds in 5 M tokens of novels. Memory is what one step adds to a process's peak, in a
process of its own.

`cutoffs`: the profile of this device is measured first; then steps with AdamW at the computed cutoffs, at the copied
constants, and on a grid of feasible cutoffs.

`topk`: the share of words that a trained model scores for its ten best, and the time against scoring them all.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

import wordalloc
from wordalloc.algorithms.adaptive_cutoffs import layer_cost
from wordalloc.algorithms.constraints import Constraints
from wordalloc.algorithms.copied_constants import copied_constants
from wordalloc.algorithms.cost_model import CostModel, LayerShape
from wordalloc.corpus import encode
from wordalloc.nn import AdaptiveSoftmax, FullSoftmax
from wordalloc.nn.cluster_bound import ClusterBound
from wordalloc.pipelines.calibrate import calibrate
from wordalloc.pipelines.verify import draw_tokens, measure_cutoffs, random_cutoffs
from wordalloc.training.data import Streams
from wordalloc.training.evaluation import load_model
from wordalloc.training.timing import Place

CASES = ((44_371, 512), (267_735, 512), (267_735, 1024), (800_000, 512))
LARGEST_LOGITS = 5 << 30  # bytes; torch's full softmax keeps about three arrays of this size


def law(size: int) -> wordalloc.Vocabulary:
    weights = (np.arange(1, size + 1) + 2.1) ** -1.2
    counts = np.ceil(1e9 * weights / weights.sum()).astype(np.int64)
    return wordalloc.Vocabulary([f"w{rank:07}" for rank in range(size)], counts)


# The layers. Each function returns a step that computes the loss and all gradients.


class Case:
    """A vocabulary, a width, the computed cutoffs, and a batch."""

    def __init__(self, vocabulary: wordalloc.Vocabulary, dim: int, batch: int, place: Place) -> None:
        torch.manual_seed(0)
        self.vocabulary, self.dim, self.batch, self.place = vocabulary, dim, batch, place
        # With four tail clusters no width is below 1, which torch's layer does not know.
        self.best = wordalloc.adaptive_cutoffs(vocabulary, dim=dim, batch=batch, max_clusters=4)
        self.target = draw_tokens(vocabulary, batch, np.random.default_rng(0)).to(place.device)
        self.hidden = torch.randn(batch, dim, device=place.device, requires_grad=True)

    def step(self, module: torch.nn.Module, loss: Callable[[], torch.Tensor]) -> Callable[[], None]:
        def run() -> None:
            with self.place.autocast():
                value = loss()
            value.backward()
            module.zero_grad()
            self.hidden.grad = None

        return run

    def layer(self) -> AdaptiveSoftmax:
        return AdaptiveSoftmax.from_allocation(self.best, self.dim).to(self.place.device)

    def ours(self) -> Callable[[], None]:
        layer = self.layer()
        return self.step(layer, lambda: layer.loss(self.hidden, self.target))

    def torchs(self) -> Callable[[], None]:
        layer = self.layer().to_torch()
        return self.step(layer, lambda: layer(self.hidden, self.target).loss)

    def full(self) -> Callable[[], None]:
        layer = FullSoftmax(self.vocabulary.size, self.dim).to(self.place.device)
        return self.step(layer, lambda: layer.loss(self.hidden, self.target))

    def torchs_full(self) -> Callable[[], None]:
        layer = torch.nn.Linear(self.dim, self.vocabulary.size, bias=False, device=self.place.device)
        return self.step(layer, lambda: F.cross_entropy(layer(self.hidden), self.target))

    def cut_cross_entropy(self) -> Callable[[], None]:
        from cut_cross_entropy import linear_cross_entropy

        layer = torch.nn.Linear(self.dim, self.vocabulary.size, bias=False, device=self.place.device)
        half = torch.bfloat16
        return self.step(layer, lambda: linear_cross_entropy(self.hidden.to(half), layer.weight.to(half), self.target))

    def liger(self) -> Callable[[], None]:
        from liger_kernel.transformers import LigerFusedLinearCrossEntropyLoss

        layer = torch.nn.Linear(self.dim, self.vocabulary.size, bias=False, device=self.place.device)
        loss = LigerFusedLinearCrossEntropyLoss()
        return self.step(layer, lambda: loss(layer.weight, self.hidden, self.target))

    def products(self) -> Callable[[], None]:
        """The three products of each matrix, with the tokens that it sees, into memory that is there."""
        layer = self.layer()
        dtype = torch.float32 if self.place.dtype == "float32" else torch.bfloat16
        sizes = [int(((self.target >= low) & (self.target < high)).sum()) for low, high in self.tails(layer)]
        jobs = [(self.batch, layer.head)]
        for n, projection, output in zip(sizes, layer.projections, layer.outputs, strict=True):
            jobs += [(n, projection), (n, output)]
        made = []
        for n, matrix in jobs:
            matrix, states = matrix.detach().to(dtype), torch.randn(n, matrix.shape[1]).to(self.place.device, dtype)
            made.append((states, matrix, states @ matrix.t(), torch.empty_like(states), torch.empty_like(matrix)))

        def run() -> None:
            for states, matrix, scores, by_states, by_matrix in made:
                torch.mm(states, matrix.t(), out=scores)
                torch.mm(scores, matrix, out=by_states)
                torch.mm(scores.t(), states, out=by_matrix)

        return run

    @staticmethod
    def tails(layer: AdaptiveSoftmax) -> Iterator[tuple[int, int]]:
        return itertools.pairwise(layer.bounds[1:])


def rounds(runs: dict[str, Callable[[], None]], place: Place, repeats: int) -> dict[str, list[float]]:
    """Seconds of each run in each round; a first round warms up."""
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(repeats + 1):
        for name, run in runs.items():
            place.wait()
            began = time.perf_counter()
            run()
            place.wait()
            if number:
                taken[name].append(time.perf_counter() - began)
    return taken


def spread(values: list[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "least": min(values), "greatest": max(values)}


def ratio(over: list[float], under: list[float]) -> dict[str, float]:
    return spread([a / b for a, b in zip(over, under, strict=True)])


def shown(figure: dict[str, float], scale: float = 1.0) -> str:
    return " ".join(f"{scale * figure[key]:.3g}" for key in ("median", "least", "greatest"))


def layers(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    place, found = Place.of(arguments.device, arguments.dtype), []
    cases: list[tuple[str, wordalloc.Vocabulary, int]] = []
    if arguments.text:
        cases.append(("text", wordalloc.count(arguments.text), 512))
    cases += [("law", law(size), dim) for size, dim in CASES if not arguments.only or size in arguments.only]
    for source, vocabulary, dim in cases:
        for batch in arguments.batch:
            case = Case(vocabulary, dim, batch, place)
            taken = rounds(
                {"ours": case.ours(), "torch": case.torchs(), "products": case.products()}, place, arguments.repeats
            )
            full = {"full": case.full}
            if 4 * batch * vocabulary.size <= LARGEST_LOGITS:
                full["torch's full"] = case.torchs_full
            if place.device.type == "cuda":
                full |= installed({"cut_cross_entropy": case.cut_cross_entropy, "liger_kernel": case.liger})
            slow: dict[str, list[float]] = {}
            if batch == arguments.batch[0]:  # one by one: their weights are large
                for name, make in full.items():
                    slow |= rounds({name: make()}, place, arguments.full_repeats)
            row = {
                "counts": source, "vocab_size": vocabulary.size, "dim": dim, "batch": batch,
                "cutoffs": case.best.cutoffs.tolist(), "seconds": {k: spread(v) for k, v in {**taken, **slow}.items()},
                "ours / torch": ratio(taken["ours"], taken["torch"]),
                "ours / products": ratio(taken["ours"], taken["products"]),
                "torch / products": ratio(taken["torch"], taken["products"]),
            }  # fmt: skip
            if slow:
                best = min(statistics.median(v) for v in slow.values())
                row["best full / ours"] = best / statistics.median(taken["ours"])
            if place.device.type == "cpu":
                peaks = {
                    name: memory(source, arguments, vocabulary.size, dim, batch, name) for name in ("ours", "torchs")
                }
                row["peak"] = peaks
                row["peak, ours / torch"] = peaks["ours"] / peaks["torchs"]
            found.append(row)
            report(row)
    return found


def report(row: dict[str, Any]) -> None:
    print(f"\n{row['counts']}: V = {row['vocab_size']:,}, d = {row['dim']}, N = {row['batch']:,}, {row['cutoffs']}")
    for name, figure in row["seconds"].items():
        print(f"  {name:<22}{shown(figure, 1000):>28} ms (median, least, greatest)")
    for name in ("ours / torch", "ours / products", "torch / products"):
        print(f"  {name:<22}{shown(row[name]):>28}")
    for name in ("best full / ours", "peak, ours / torch"):
        if name in row:
            print(f"  {name:<22}{row[name]:>28.3g}")
    if "peak" in row:
        print(f"  peak, MB: ours {row['peak']['ours'] / 1e6:.0f}, torch {row['peak']['torchs'] / 1e6:.0f}", flush=True)


def installed(makers: dict[str, Any]) -> dict[str, Any]:
    from importlib.util import find_spec

    return {name: make for name, make in makers.items() if find_spec(name)}


def memory(source: str, arguments: argparse.Namespace, size: int, dim: int, batch: int, name: str) -> float:
    """Bytes that a step adds to the peak of a process of its own."""
    text = arguments.text if source == "text" else ""
    command = [sys.executable, __file__, "memory", "--case", text, str(size), str(dim), str(batch), name]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def memory_of(text: str, size: str, dim: str, batch: str, name: str) -> int:
    vocabulary = wordalloc.count(text) if text else law(int(size))
    case = Case(vocabulary, int(dim), int(batch), Place.of("cpu", "float32"))
    case_small = Case(law(1000), int(dim), 64, case.place)
    getattr(case_small, name)()()  # the libraries' own buffers
    run = getattr(case, name)()
    Path("/proc/self/clear_refs").write_text("5")  # the peak so far is forgotten
    before = resident("VmRSS")
    run()
    return resident("VmHWM") - before


def resident(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(field + ":"))


def cutoffs(arguments: argparse.Namespace) -> dict[str, Any]:
    place = Place.of(arguments.device, arguments.dtype)
    model = calibrate(device=place.device.type, dtype=place.dtype, dim=512).model
    print(model)
    found: dict[str, Any] = {"profile": model.to_json(), "cases": []}
    for size in arguments.only or (44_371, 267_735):
        found["cases"].append(cutoffs_of(law(size), model, place, arguments))
    return found


def cutoffs_of(
    vocabulary: wordalloc.Vocabulary, model: CostModel, place: Place, arguments: argparse.Namespace
) -> dict[str, Any]:
    shape = LayerShape(512, arguments.batch[0])
    # So low that both copied constants are feasible.
    limits = Constraints(min_head_mass=0.85, min_tail_share=0.25)
    options: dict[str, Any] = {
        "dim": shape.dim, "batch": shape.batch, "cost_model": model, "min_head_mass": 0.85, "min_tail_share": 0.25,
    }  # fmt: skip
    best = wordalloc.adaptive_cutoffs(vocabulary, **options)
    others = {f"copied {name}": choice for name, choice in copied_constants(vocabulary).items()}
    others |= {
        f"best with {n}": wordalloc.adaptive_cutoffs(vocabulary, n, **options)
        for n in sorted({choice.n_clusters for choice in others.values()})
    }
    rng = np.random.default_rng(0)
    for number in range(arguments.points):
        drawn = random_cutoffs(vocabulary, limits, 1 + number % 5, rng)
        others[f"point {number}"] = wordalloc.Cutoffs(vocabulary, drawn)
    rows = []
    listed = list(others.items())
    for first in range(0, len(listed), 5):  # a few at a time, each with the optimum: memory is finite
        chunk = listed[first : first + 5]
        timing = measure_cutoffs([best, *(choice for _, choice in chunk)], shape, place, np.random.default_rng(0))
        for (name, choice), own in zip([("optimum", best), *chunk], timing, strict=True):
            rows.append({
                "name": name, "cutoffs": choice.cutoffs.tolist(), "feasible": limits.met_by(choice),
                "predicted": layer_cost(choice, model, shape), "measured": own.seconds, "spread": own.spread,
                "optimum / it": timing[0].seconds / own.seconds,
            })  # fmt: skip
    return summary(vocabulary, shape, rows)


def summary(vocabulary: wordalloc.Vocabulary, shape: LayerShape, rows: list[dict[str, Any]]) -> dict[str, Any]:
    feasible = [row for row in rows if row["feasible"]]
    points = [row for row in feasible if row["name"].startswith("point")]
    errors = [abs(row["predicted"] / row["measured"] - 1) for row in feasible]
    named = {row["name"]: row for row in rows if not row["name"].startswith("point")}
    copied = {name: row for name, row in named.items() if name.startswith("copied")}
    # Rows of different chunks are compared by way of the optimum, which was measured in each.
    equal = {
        name: row["optimum / it"] / named[f"best with {len(row['cutoffs'])}"]["optimum / it"]
        for name, row in copied.items()
    }
    result = {
        "vocab_size": vocabulary.size, "dim": shape.dim, "batch": shape.batch, "rows": rows,
        "feasible points": len(points),
        "optimum / best copied": max(row["optimum / it"] for row in copied.values()),
        "best with J / copied, J equal": equal,
        "optimum / best point": max(row["optimum / it"] for row in points),
        "predicted against measured, median error": statistics.median(errors),
        "predicted against measured, greatest error": max(errors),
    }  # fmt: skip
    print(f"\nV = {vocabulary.size:,}, d = {shape.dim}, N = {shape.batch:,}; predicted, measured, optimum ÷ it")
    for row in [*named.values(), max(points, key=lambda row: row["optimum / it"])]:
        times = f"{1000 * row['predicted']:>9.1f}{1000 * row['measured']:>9.1f} ms{row['optimum / it']:>7.3f}"
        print(f"  {row['name']:<28}{row['cutoffs']!s:<44}{times}")
    for key in list(result)[4:]:
        print(f"  {key}: {result[key]}", flush=True)
    return result


def topk(arguments: argparse.Namespace) -> dict[str, Any]:
    """The ten best of every position of the first tokens of a text, by a trained model."""
    model, allocation, config = load_model(arguments.run)
    text = encode([arguments.text], allocation.vocabulary)
    batches = Streams(text, 16, config.bptt, allocation.vocabulary.eos_rank or 0)
    place, states, state = Place.of(arguments.device, "float32"), [], None
    model.to(place.device).eval()
    with torch.no_grad():
        for batch in itertools.islice(batches.steps(), 40):
            hidden, state = model.hidden(batch.inputs.to(place.device), None if batch.fresh else state)
            states.append(hidden.reshape(-1, hidden.shape[-1]))
    layer, hidden = model.output, torch.cat(states)
    scored = []

    def counting(function: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
        def counted(*arguments: Any) -> torch.Tensor:
            result = function(*arguments)
            scored.append(result.numel())
            return result

        return counted

    plain = layer._head_log_prob, layer._tail_log_prob, ClusterBound.scores
    layer._head_log_prob, layer._tail_log_prob = map(counting, plain[:2])
    ClusterBound.scores = staticmethod(counting(plain[2]))
    layer.topk(hidden, 10)
    layer._head_log_prob, layer._tail_log_prob, ClusterBound.scores = plain[0], plain[1], staticmethod(plain[2])
    with torch.no_grad():
        every = rounds(
            {"topk": lambda: layer.topk(hidden, 10), "all words": lambda: layer.log_prob(hidden).topk(10)}, place, 7
        )
    share = sum(scored) / hidden.shape[0] / layer.vocab_size
    found = {
        "vocab_size": layer.vocab_size, "cutoffs": layer.cutoffs, "positions": hidden.shape[0],
        "share of words scored": share, "topk / all words": ratio(every["topk"], every["all words"]),
        "milliseconds a query": 1000 * statistics.median(every["topk"]) / hidden.shape[0],
    }  # fmt: skip
    print(json.dumps(found, indent=1))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["layers", "cutoffs", "topk", "memory"])
    parser.add_argument("--text", help="a text, or anything that wordalloc counts")
    parser.add_argument("--run", help="a trained run, for topk")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--batch", type=int, nargs="*", default=[2048, 1120])
    parser.add_argument("--only", type=int, nargs="*", metavar="V", help="these sizes alone")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--full-repeats", type=int, default=2)
    parser.add_argument("--points", type=int, default=64, help="feasible cutoffs on the grid")
    parser.add_argument("--json", help="where the figures go")
    parser.add_argument("--case", nargs=5, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.what == "memory":
        print(memory_of(*arguments.case))
        return
    found = {"layers": layers, "cutoffs": cutoffs, "topk": topk}[arguments.what](arguments)
    if arguments.json:
        machine = {"torch": torch.__version__, "threads": torch.get_num_threads(), "command": sys.argv}
        Path(arguments.json).write_text(json.dumps({**machine, arguments.what: found}, indent=1))


if __name__ == "__main__":
    main()
