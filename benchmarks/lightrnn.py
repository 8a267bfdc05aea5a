"""LightRNN tables: the time of a reallocation against other solvers, and what tables are worth in training.

    python benchmarks/lightrnn.py solvers
    python benchmarks/lightrnn.py models train.txt valid.txt

`solvers` needs no file. Costs are generated: Zipf counts times low-rank logits over rows (and over columns) whose
popularity is log-normal, as a trained model gives; near rank 1, where all words want the same cells; and, with
--costs FILE, those of a model that was really trained (`wordalloc train … --costs`). Every solver runs in a process of
its own on costs that it has loaded, once warm: seconds are those of the solution, memory is the process's peak, inputs
and libraries with it.

`models` trains the same model, on the first tokens of the text, over tables made in four ways, with and without
reallocations of each kind on the way; with --bands it looks at the held-out words by how often training saw them, with
a vocabulary of which a part was never seen.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

SIZES = {  # V, rows, tokens, least count: PTB, WikiText-2, WikiText-103
    "10k": (10_000, 100, 929_589, 2),
    "33k": (33_278, 183, 2_088_628, 3),
    "268k": (267_735, 518, 103_227_021, 3),
    "rank1": (33_278, 183, 2_088_628, 3),
}
GAPS = {"10k": 1e-6, "33k": 1e-5, "268k": 1e-5, "rank1": 1e-5}


def zipf_counts(size: int, tokens: int, least: int) -> np.ndarray:
    weights = 1 / (np.arange(size) + 2.7) ** 1.05
    return np.maximum(least, np.round(weights * tokens / weights.sum()))


def low_rank(counts: np.ndarray, n: int, rng: np.random.Generator, dim: int = 16) -> np.ndarray:
    """Counts times -log softmax of noisy inner products with n vectors of unlike popularity: (V, n) float32."""
    size = len(counts)
    vectors = rng.standard_normal((n, dim)).astype(np.float32) / dim**0.5
    popularity = np.exp(0.6 * rng.standard_normal(n))
    popularity /= popularity.sum()
    home, bias = rng.choice(n, size, p=popularity), np.log(popularity * n).astype(np.float32)
    costs = np.empty((size, n), np.float32)
    for begin in range(0, size, 20_000):
        block = slice(begin, min(begin + 20_000, size))
        words = vectors[home[block]] + rng.standard_normal((block.stop - begin, dim)).astype(np.float32) / dim**0.5
        logits = 6 * (words @ vectors.T) + bias + 0.3 * rng.standard_normal((block.stop - begin, n)).astype(np.float32)
        top = logits.max(axis=1, keepdims=True)
        costs[block] = (top + np.log(np.exp(logits - top).sum(axis=1, keepdims=True)) - logits) * counts[block, None]
    return costs


def near_rank_one(counts: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Counts times the same nll of each row for all words, with 5 % of noise."""
    return np.maximum(counts[:, None] * rng.gamma(2, 1.5, n) * (1 + 0.05 * rng.standard_normal((len(counts), n))), 0)


def generate(folder: Path, name: str) -> None:
    """Write the costs of a problem, or those of a file of costs as the problem "trained": a child process."""
    if name not in SIZES:
        from wordalloc import load

        costs = load(name)
        np.save(folder / "trained-row.npy", costs.row_nll)
        np.save(folder / "trained-col.npy", costs.col_nll)
        return
    size, n, tokens, least = SIZES[name]
    rng, counts = np.random.default_rng(0), zipf_counts(size, tokens, least)
    for side in ("row", "col"):
        make = near_rank_one if name == "rank1" else low_rank
        np.save(folder / f"{name}-{side}.npy", make(counts, n, rng).astype(np.float32))


def solve(folder: Path, name: str, method: str, gap: float) -> None:
    """Solve one problem and print what came of it: the child process."""
    from wordalloc import reallocate, reallocate_rows
    from wordalloc.algorithms import assignment_solvers as solvers

    rows, columns = (np.load(folder / f"{name}-{side}.npy") for side in ("row", "col"))
    small = np.random.default_rng(0).random((90, 10), np.float32)
    reallocate(small, small)  # compiles, or loads what is compiled
    reallocate_rows(small, 10)
    began = time.perf_counter()
    if method == "rows":
        result = reallocate_rows(rows, columns.shape[1], gap=gap)
        found = {"objective": result.objective, "gap": result.gap}
    elif method == "rows, ortools":
        result = reallocate_rows(rows, columns.shape[1], solver="ortools")
        found = {"objective": result.objective, "gap": result.gap}
    elif method == "ortools flow":
        cost = solvers.dense_costs(rows, columns, None)
        place, bound = solvers.by_ortools_flow(cost)
        objective = float(cost[np.arange(len(cost)), place].sum())
        found = {"objective": objective, "gap": (objective - bound) / objective}
    else:
        whole = reallocate(rows, columns, gap=gap, solver=method)
        found = {"objective": whole.objective, "gap": whole.gap}
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(json.dumps({"seconds": round(seconds, 3), "peak_GB": round(peak, 3), **found}))


def run_solver(folder: Path, name: str, method: str, gap: float, repeats: int) -> dict[str, float]:
    """Solve in processes of their own; return the run of median time."""
    command = [sys.executable, __file__, "solve", str(folder), name, method, str(gap)]
    runs = []
    for _ in range(repeats):
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        runs.append(json.loads(done.stdout))
    taken = sorted(runs, key=lambda run: run["seconds"])[repeats // 2]
    print(
        f"{name:>6}  {method:<16} {taken['seconds']:>9.3f} s  {taken['peak_GB']:>7.3f} GB  gap {taken['gap']:.1e}  "
        f"{taken['objective']:.8e}",
        flush=True,
    )
    return taken


def run_solvers(arguments: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        problems = dict(GAPS)
        for problem in arguments.sizes:
            # In a process of its own: what this one uses would count as its children's peak.
            subprocess.run([sys.executable, __file__, "generate", str(folder), problem], check=True)
        if arguments.costs:
            subprocess.run([sys.executable, __file__, "generate", str(folder), arguments.costs], check=True)
            problems["trained"] = 1e-6
        for problem in [*arguments.sizes, *(["trained"] if arguments.costs else [])]:
            run_solver(folder, problem, "auction", problems[problem], arguments.repeats)
            run_solver(folder, problem, "rows", 1e-6, arguments.repeats)
        if "10k" in arguments.sizes and arguments.others:
            ours = run_solver(folder, "10k", "auction", 1e-6, arguments.repeats)["seconds"]
            others = [
                run_solver(folder, "10k", method, 1e-6, 1)["seconds"] for method in ("scipy", "ortools", "ortools flow")
            ]
            run_solver(folder, "10k", "greedy", 1e-6, 1)
            run_solver(folder, "10k", "rows, ortools", 1e-6, 1)
            print(f"ours ÷ the best other exact solver at V = 10,000: 1 / {min(others) / ours:.0f}")


def shortened(path: str, tokens: int, folder: Path) -> Path:
    """Return a file with the first lines of a text, of about so many tokens."""
    taken, lines = 0, []
    with Path(path).open(encoding="utf-8") as text:
        for line in text:
            lines.append(line)
            taken += len(line.split()) + 1
            if taken >= tokens:
                break
    (folder / "train.txt").write_text("".join(lines), encoding="utf-8")
    return folder / "train.txt"


def run_models(arguments: argparse.Namespace) -> None:
    import torch

    import wordalloc
    from wordalloc.pipelines.allocate import Text
    from wordalloc.pipelines.lightrnn import train_in_rounds
    from wordalloc.pipelines.tables import make_table
    from wordalloc.training import TrainConfig, train

    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = shortened(arguments.train, arguments.tokens, folder)
        vocabulary = wordalloc.count(file, max_size=arguments.max_size)
        if arguments.bands:  # the words of the whole text, with the counts of its beginning
            whole = wordalloc.count(arguments.train, max_size=arguments.max_size)
            seen = wordalloc.count(file)
            found = dict(zip(seen.words, seen.counts.tolist(), strict=True))
            kept = set(whole.words)
            found["<unk>"] = sum(count for word, count in found.items() if word not in kept)
            counts = [found.get(word, 0) for word in whole.words]
            vocabulary = wordalloc.Vocabulary.from_counts(whole.words, counts, text=whole.text)
        text = Text(lambda: vocabulary, lambda: wordalloc.count_bigrams(file, vocabulary))
        for number, plan in enumerate(arguments.plans):
            named = plan.split(",")
            model, place, rounds, digits = [*named, *["", "", "0", "rows"][len(named) :]]
            for seed in arguments.seeds:
                run = folder / f"{number}-{seed}"
                config = TrainConfig(
                    width=arguments.dim,
                    seed=seed,
                    learning_rate=arguments.learning_rate,
                    table_model="lightrnn" if model == "lightrnn" else "softmax",
                )
                if model == "full":
                    result = train(file, valid=arguments.valid, allocation=vocabulary, run=run, config=config)
                else:
                    table = make_table(text, place, seed=seed)
                    result = train_in_rounds(
                        file, table, rounds=int(rounds), digits=digits, valid=arguments.valid, run=run, config=config
                    )
                row = {
                    "plan": plan,
                    "seed": seed,
                    "perplexity": round(result.best_perplexity, 2),
                    "tokens_per_second": round(result.tokens_per_second),
                    "parameters": result.n_parameters,
                    "input_and_output": result.n_parameters - recurrent_parameters(run),
                    "moved": [round(entry["moved"], 3) for entry in result.rounds],
                    "taken_back": [entry["table"] for entry in result.rounds if entry["taken_back"]],
                }
                if arguments.bands:
                    row["bands"] = by_band(run, arguments.valid)
                print(json.dumps(row), flush=True)


def recurrent_parameters(run: Path) -> int:
    """Weights of a run's recurrent layers."""
    from safetensors import safe_open

    with safe_open(run / "checkpoint" / "best.safetensors", framework="numpy") as file:
        return sum(file.get_tensor(name).size for name in file.keys() if "recurrent" in name)  # noqa: SIM118


def by_band(run: Path, valid: str) -> dict[str, tuple[float, float]]:
    """Share of the held-out tokens, in percent, and nats a token, by how often training saw the word."""
    import torch

    from wordalloc.corpus import encode
    from wordalloc.training import TrainConfig
    from wordalloc.training.checkpoint import load_checkpoint
    from wordalloc.training.data import Streams
    from wordalloc.training.model import LightRNNModel, make_model
    from wordalloc.training.run_directory import RunDirectory

    directory = RunDirectory(run)
    tensors, content = load_checkpoint(directory.best)
    allocation = directory.read_table(content["table"]) if content["table"] else directory.read_allocation()
    vocabulary = getattr(allocation, "vocabulary", allocation)
    config = TrainConfig.from_json(directory.read_config()["train"])
    model = make_model(allocation, config).eval()
    model.load_state_dict(tensors)
    edges = np.array([1, 3, 11, 101, 1001])
    names = ["unseen", "1-2", "3-10", "11-100", "101-1000", "more"]
    sums, tokens, state = np.zeros(6), np.zeros(6), None
    for batch in Streams(encode(valid, vocabulary), 16, config.bptt, vocabulary.eos_rank or 0).steps():
        targets = batch.targets.clamp(min=0)
        with torch.no_grad():
            if isinstance(model, LightRNNModel):
                nll, state = model.output(batch.inputs.clamp(min=0), targets, state)
            else:
                hidden, state = model.hidden(batch.inputs.clamp(min=0), state)
                nll = model.output(hidden, targets)
        kept = (batch.targets >= 0).numpy()
        band = np.digitize(vocabulary.counts[targets.numpy()[kept]], edges)
        sums += np.bincount(band, nll.numpy()[kept], minlength=6)
        tokens += np.bincount(band, minlength=6)
    return {
        name: (round(100 * n / tokens.sum(), 2), round(s / n, 3))
        for name, s, n in zip(names, sums, tokens, strict=True)
        if n
    }


def main() -> None:
    if sys.argv[1:2] == ["generate"]:
        generate(Path(sys.argv[2]), sys.argv[3])
        return
    if sys.argv[1:2] == ["solve"]:
        folder, name, method, gap = sys.argv[2:]
        solve(Path(folder), name, method, float(gap))
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parts = parser.add_subparsers(required=True)
    solvers = parts.add_parser("solvers")
    solvers.add_argument("--sizes", nargs="*", default=list(SIZES), choices=list(SIZES))
    solvers.add_argument("--costs", metavar="FILE", help="also those of a trained model")
    solvers.add_argument("--repeats", type=int, default=3)
    solvers.add_argument("--no-others", dest="others", action="store_false", help="SciPy and OR-tools take minutes")
    solvers.set_defaults(run=run_solvers)
    models = parts.add_parser("models")
    models.add_argument("train")
    models.add_argument("valid")
    models.add_argument(
        "--plans",
        nargs="*",
        default=["full", "lightrnn,classes", "softmax,classes"],
        help="full, or MODEL,PLACEMENT[,ROUNDS[,DIGITS]] with lightrnn or softmax",
    )
    models.add_argument("--tokens", type=int, default=1_000_000)
    models.add_argument("--max-size", type=int, default=10_000)
    models.add_argument("--dim", type=int, default=200)
    models.add_argument("--learning-rate", type=float)
    models.add_argument("--seeds", type=int, nargs="*", default=[0])
    models.add_argument("--threads", type=int)
    models.add_argument("--bands", action="store_true")
    models.set_defaults(run=run_models)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
