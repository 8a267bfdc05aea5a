"""Word classes and Brown trees against other programs: mutual information, time and memory of whole commands.

    python benchmarks/classes.py train.txt --classes 100 500 1000 --effort normal high \\
        --wcluster PATH --clustercat PATH --mkcls PATH

Words seen fewer than --min-count times are replaced by <unk>. Every result is scored by the one scorer below, over all
adjacent tokens of the text, line ends ignored. A peer is run where its path is given. Times are of the whole process,
from text to file; memory is the peak resident size.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np

UNK = "<unk>"


def ami_bits(tokens: list[str], label: dict[str, str]) -> float:
    """Average mutual information of adjacent classes, from their definition."""
    number: dict[str, int] = {}
    classes = np.array([number.setdefault(label[word], len(number)) for word in tokens])
    joint = np.zeros((len(number), len(number)))
    np.add.at(joint, (classes[:-1], classes[1:]), 1)
    p = joint / joint.sum()
    independent = np.outer(p.sum(1), p.sum(0))
    seen = p > 0
    return float((p[seen] * np.log2(p[seen] / independent[seen])).sum())


# A process begins with the peak memory of the one that made it, so that one must be small.
LAUNCHER = """
import os, subprocess, sys, time
began = time.perf_counter()
process = subprocess.Popen(sys.argv[1:], stderr=subprocess.DEVNULL)
status, usage = os.wait4(process.pid, 0)[1:]
print(time.perf_counter() - began, usage.ru_maxrss / 1024, status, file=sys.stderr)
"""


def timed(command: list[str], stdin: Path | None = None, stdout: Path | None = None) -> tuple[float, float]:
    """Seconds and peak resident megabytes of a process."""
    with (stdin or Path(os.devnull)).open("rb") as source, (stdout or Path(os.devnull)).open("wb") as sink:
        launch = [sys.executable, "-c", LAUNCHER, *command]
        done = subprocess.run(launch, stdin=source, stdout=sink, stderr=subprocess.PIPE, text=True, check=True)
    seconds, memory, status = done.stderr.split()[-3:]
    if int(status):
        sys.exit(f"failed: {' '.join(command)}")
    return float(seconds), float(memory)


def labels(path: Path, columns: tuple[int, int]) -> dict[str, str]:
    """Label of each word, from a file of lines with white space between columns."""
    rows = (line.split() for line in path.read_text(encoding="utf-8").splitlines())
    return {row[columns[0]]: row[columns[1]] for row in rows if len(row) > max(columns)}


def wordalloc(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "wordalloc", *arguments]


def ours(text: Path, folder: Path, n_classes: int, effort: str, tree: bool) -> tuple[float, float, dict[str, str]]:
    result, exported = folder / "result.safetensors", folder / "exported.txt"
    kind = ["tree", "--method", "brown"] if tree else ["classes"]
    options = ["-k", str(n_classes), "--effort", effort, "--no-eos", "-o", str(result)]
    seconds, memory = timed(wordalloc(*kind, str(text), *options))
    timed(wordalloc("export", str(result), "--to", "word2vec-classes", "-o", str(exported)))
    return seconds, memory, labels(exported, (0, 1))


def peers(arguments: argparse.Namespace, text: Path, folder: Path, n_classes: int):  # type: ignore[no-untyped-def]
    """Yield name, seconds, megabytes and labels of every peer whose path is given."""
    out, k = folder / "peer.txt", str(n_classes)
    if arguments.wcluster:
        options = ["--text", str(text), "--c", k, "--output_dir", str(folder / "wc"), "--threads", "2"]
        yield "wcluster", *timed([arguments.wcluster, *options]), labels(folder / "wc" / "paths", (1, 0))
    if arguments.clustercat:
        yield "clustercat", *timed([arguments.clustercat, "-n", k, "-j", "2"], text, out), labels(out, (0, 1))
    if arguments.mkcls:
        yield "mkcls", *timed([arguments.mkcls, f"-c{k}", "-n1", f"-p{text}", f"-V{out}"]), labels(out, (0, 1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("text", type=Path)
    parser.add_argument("--classes", type=int, nargs="*", default=[100, 500, 1000])
    parser.add_argument("--effort", nargs="*", default=["normal"])
    parser.add_argument("--min-count", type=int, default=3)
    for peer in ("wcluster", "clustercat", "mkcls"):
        parser.add_argument(f"--{peer}", metavar="PATH")
    arguments = parser.parse_args()

    lines = arguments.text.read_text(encoding="utf-8").split("\n")
    counts = Counter(word for line in lines for word in line.split())
    lines = [" ".join(w if counts[w] >= arguments.min_count else UNK for w in line.split()) for line in lines]
    tokens = [word for line in lines for word in line.split()]
    print(f"{len(tokens):,} tokens, {len(set(tokens)):,} types\n")
    print(f"{'K':>5}  {'program':<26}{'AMI, bits':>10}{'seconds':>9}{'MB':>7}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        text = folder / "text.txt"
        text.write_text("\n".join(lines) + "\n", encoding="utf-8")
        ours(text, folder, 20, "normal", tree=True)  # compiles, and encodes the text
        for n_classes in arguments.classes:
            for effort, tree in [(effort, tree) for effort in arguments.effort for tree in (False, True)]:
                seconds, memory, label = ours(text, folder, n_classes, effort, tree)
                show(n_classes, f"{'tree' if tree else 'classes'} --effort {effort}", tokens, label, seconds, memory)
            for program, seconds, memory, label in peers(arguments, text, folder, n_classes):
                show(n_classes, program, tokens, label, seconds, memory)


def show(n_classes: int, program: str, tokens: list[str], label: dict[str, str], seconds: float, memory: float) -> None:
    print(f"{n_classes:>5}  {program:<26}{ami_bits(tokens, label):>10.4f}{seconds:>9.1f}{memory:>7.0f}", flush=True)


if __name__ == "__main__":
    main()
