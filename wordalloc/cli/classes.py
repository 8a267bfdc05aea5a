"""``wordalloc bigrams``, ``classes`` and ``tree``: counting adjacent words, and what is made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from wordalloc.checks import printable
from wordalloc.cli.choices import NearestChoice
from wordalloc.cli.counting import counted, vocabulary_summary
from wordalloc.cli.cutoffs import read_profile
from wordalloc.cli.progress import progress_bar
from wordalloc.cli.render import echo_written, emit_json, json_option, milliseconds, output_option, percent, print_table
from wordalloc.cli.sources import Source, engine_options, source_command
from wordalloc.pipelines.allocate import CLASS_METHODS, TREE_METHODS, Text

if TYPE_CHECKING:
    from wordalloc.algorithms.cost_model import CostModel
    from wordalloc.allocations import Allocation, Bigrams, Classes, Tree

_SHOWN_ROWS = 12
_BY_AMI = ("exchange", "predictive_exchange")  # whose objective is the mutual information
_SHOWN_WORDS = 6
_positive = click.IntRange(min=1)

_effort = click.option(
    "--effort",
    type=NearestChoice(["fast", "normal", "high"]),
    default="normal",
    show_default=True,
    help="How long exchange searches: greedy alone, seconds, most of a minute.",
)
_seed = click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Where chance enters.")
_vectors = click.option(
    "--vectors", type=click.Path(), metavar="FILE", help="Word vectors: a run, .safetensors, or word2vec's text."
)
_dim = click.option("--dim", type=_positive, default=512, show_default=True, help="Width d, for the expected cost.")
_batch = click.option(
    "--batch", type=_positive, default=4096, show_default=True, help="Tokens in a step, for the cost."
)
_profile = click.option("--profile", type=click.Path(), metavar="FILE", help="The device's cost model, as JSON.")


@click.command()
@engine_options
@source_command
@output_option("default: ./<source>.bigrams.safetensors")
@json_option
def bigrams(source: Source, output: str | None, as_json: bool) -> None:
    """Count the adjacent words of a text, once for all later commands that need them.

    \b
    Examples:
      wordalloc bigrams corpus.txt --min-count 3
      wordalloc classes corpus.bigrams.safetensors -k 500
      wordalloc bigrams pages.parquet --column body --engine spark --master spark://host:7077 --max-size 100000
    """
    target = source.output(output, "bigrams")
    content = source.bigrams()
    content.save(target)
    if as_json:
        emit_json({**vocabulary_summary(content.vocabulary), **pairs_summary(content), "output": str(target)})
        return
    click.echo(f"{source.title}: {counted(content.vocabulary)}")
    click.echo(pairs_line(content))
    echo_written(target)


@click.command()
@source_command
@click.option(
    "--method",
    type=NearestChoice(list(CLASS_METHODS)),
    default="exchange",
    show_default=True,
    help="What the classes are made by.",
)
@click.option("-k", "--classes", "n_classes", type=_positive, metavar="K", help="How many (default: √V).")
@click.option(
    "--model",
    type=NearestChoice(["two-sided", "predictive", "bidirectional"]),
    default="two-sided",
    show_default=True,
    help="exchange: raise the mutual information of classes, or a predictive model's likelihood.",
)
@_effort
@click.option("--iterations", type=_positive, default=5, show_default=True, help="Most greedy sweeps at the end.")
@click.option("--init", type=click.Path(), metavar="FILE", help="Begin exchange with these classes.")
@click.option("--k-curve", metavar="K,K,...", help="Compare numbers of classes instead; writes no file.")
@_vectors
@click.option("--equal-sizes", is_flag=True, help="kmeans: classes of equal size.")
@_seed
@_dim
@_batch
@_profile
@output_option("default: ./<source>.classes.safetensors")
@json_option
def classes(
    source: Source,
    method: str,
    n_classes: int | None,
    init: str | None,
    k_curve: str | None,
    vectors: str | None,
    dim: int,
    batch: int,
    profile: str | None,
    output: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Divide the vocabulary into classes.

    By frequency: equal mass (frequency), equal mass of √count (sqrt-frequency), equal numbers of words (equal-size),
    or the classes that make a two-level softmax cheapest (cost, exact). By context: exchange clustering of adjacent
    words, or kmeans on word vectors.

    \b
    Examples:
      wordalloc classes corpus.txt -k 500
      wordalloc classes corpus.txt --k-curve 50,100,200,500
    """
    from wordalloc.allocations import load
    from wordalloc.pipelines.allocate import make_classes

    shape: dict[str, Any] = {
        "dim": dim,
        "batch": batch,
        "cost_model": None if profile is None else read_profile(profile),
    }
    text = Text(source.vocabulary, source.bigrams, vectors, options["seed"])
    options["init"] = None if init is None else load(init)
    if k_curve is not None:
        _compare_numbers(source, text, method, _numbers(k_curve, n_classes), as_json, options, shape)
        return
    target = source.output(output, "classes")
    with progress_bar("clustering") as progress:
        made = make_classes(text, method, n_classes, progress=progress, **options, **shape)
    made.save(target)
    summary = _class_summary(made, **shape)
    if as_json:
        found = {name: value for name, value in made.parameters.items() if name != "objective"}
        emit_json({**vocabulary_summary(made.vocabulary), **summary, "parameters": found, "output": str(target)})
        return
    click.echo(f"{source.title}: {counted(made.vocabulary)}\n")
    _print_sweeps(made.parameters.get("sweeps", []))
    print_classes(made)
    click.echo("\n" + _class_line(summary, method, batch, dim))
    echo_written(target)


@click.command()
@source_command
@click.option(
    "--method",
    type=NearestChoice(list(TREE_METHODS)),
    default="huffman",
    show_default=True,
    help="What the tree is made by.",
)
@click.option("--arity", type=click.IntRange(min=2), default=2, show_default=True, help="Children of a node.")
@click.option("-k", "--classes", "n_classes", type=_positive, metavar="K", help="brown: how many (default: √V).")
@click.option(
    "--leaves",
    type=NearestChoice(["exchange", "windowed"]),
    default="exchange",
    show_default=True,
    help="brown: classes by exchange, or by Liang's windowed algorithm.",
)
@_effort
@click.option(
    "--split",
    type=NearestChoice(["adaptive", "balanced"]),
    default="adaptive",
    show_default=True,
    help="clustering: where the vectors part, or in halves.",
)
@click.option("--wordnet", type=click.Path(), metavar="DIR", help="The dict folder of WordNet 3.x.")
@_vectors
@_seed
@output_option("default: ./<source>.tree.safetensors")
@json_option
def tree(
    source: Source,
    method: str,
    vectors: str | None,
    output: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Make a tree over the vocabulary.

    By frequency: huffman (the least average code length, exact), balanced. By context: brown (greedy merging of
    classes), clustering (recursive splits of word vectors). By meaning: wordnet. And random, to compare with.

    \b
    Examples:
      wordalloc tree corpus.txt
      wordalloc tree corpus.txt --method brown -k 500
      wordalloc tree corpus.txt --method wordnet --wordnet /usr/share/wordnet
    """
    from wordalloc.pipelines.allocate import make_tree

    target = source.output(output, "tree")
    text = Text(source.vocabulary, source.bigrams, vectors, options["seed"])
    with progress_bar("building") as progress:
        made = make_tree(text, method, progress=progress, **options)
    made.save(target)
    summary = tree_summary(made)
    if as_json:
        found = {name: value for name, value in made.parameters.items() if name != "losses"}
        emit_json({**vocabulary_summary(made.vocabulary), **summary, "parameters": found, "output": str(target)})
        return
    click.echo(f"{source.title}: {counted(made.vocabulary)}\n")
    print_tree(made)
    echo_written(target)


def pairs_summary(content: Bigrams) -> dict[str, Any]:
    """What bigrams come to."""
    return {"pairs": content.total, "distinct_pairs": content.count.size}


def pairs_line(content: Bigrams) -> str:
    """Say how many pairs there are."""
    return f"{content.total:,} pairs of adjacent words, {content.count.size:,} of them distinct"


def tree_summary(made: Tree) -> dict[str, Any]:
    """What a tree comes to."""
    from wordalloc.algorithms.mutual_information import entropy_bits

    summary: dict[str, Any] = {
        "inner_nodes": made.n_nodes,
        "arity": made.arity,
        "mean_code_length": made.mean_code_length,
        "longest_code": int(made.code_lengths.max()),
        "entropy_bits": entropy_bits(made.vocabulary.counts) if made.vocabulary.total else None,
    }
    if made.class_depth is not None:
        summary["n_classes"] = made.cut().n_classes
        summary["ami_bits"] = made.parameters.get("objective")
    return summary


def print_tree(made: Tree) -> None:
    """Print what a tree comes to, and the words of highest count with their codes."""
    summary = tree_summary(made)
    entropy = "" if summary["entropy_bits"] is None else f" (unigram entropy {summary['entropy_bits']:.3f} bits)"
    click.echo(
        f"{made.n_nodes:,} inner nodes; {summary['mean_code_length']:.3f} digits a token{entropy}, "
        f"at most {summary['longest_code']}"
    )
    if summary.get("ami_bits") is not None:
        click.echo(f"{summary['n_classes']:,} classes, average mutual information {summary['ami_bits']:.4f} bits")
    click.echo()
    if made.class_depth is not None and made.arity == 2:
        _print_subtrees(made)
        return
    shown = range(made.vocabulary.size)[:_SHOWN_ROWS]
    columns = (made.vocabulary.words_at(shown), made.vocabulary.counts[:_SHOWN_ROWS].tolist(), made.codes_at(shown))
    rows = [(printable(word), f"{count:,}", _short(code)) for word, count, code in zip(*columns, strict=True)]
    print_table(["word", "count", "code"], rows, text=["code"])


def print_classes(made: Classes) -> None:
    """Print the classes of most mass, with their most frequent words."""
    order = sorted(range(made.n_classes), key=lambda number: -made.masses[number])[:_SHOWN_ROWS]
    rows = [
        (f"{number}", f"{made.sizes[number]:,}", percent(made.masses[number]), _words(made, number)) for number in order
    ]
    print_table(["class", "words", "mass", "most frequent"], rows, text=["most frequent"])
    if made.n_classes > len(rows):
        click.echo(f"… and {made.n_classes - len(rows):,} more classes, of {_span(made)} words")


def _words(made: Classes, number: int) -> str:
    members = made.members[made.offsets[number] : made.offsets[number + 1]][:_SHOWN_WORDS]
    return " ".join(map(printable, made.vocabulary.words_at(members.tolist())))


def _span(made: Classes) -> str:
    least, most = int(made.sizes.min()), int(made.sizes.max())
    return f"{least:,}" if least == most else f"{least:,} to {most:,}"


def _print_subtrees(made: Tree) -> None:
    """Print the classes of most mass by their bits."""
    cut = made.cut()
    depths = made.class_depth.tolist() if made.class_depth is not None else []
    order = sorted(range(cut.n_classes), key=lambda number: -cut.masses[number])[:_SHOWN_ROWS]
    rows = []
    for number in order:
        first = int(cut.members[cut.offsets[number]])
        bits = made.codes_at([first])[0][: depths[first]]
        rows.append((bits, f"{cut.sizes[number]:,}", percent(cut.masses[number]), _words(cut, number)))
    print_table(["bits", "words", "mass", "most frequent"], sorted(rows), text=["most frequent"])


def _short(code: str) -> str:
    return code if len(code) <= 60 else code[:59] + "…"


def _class_summary(made: Classes, dim: int, batch: int, cost_model: CostModel | None) -> dict[str, Any]:
    from wordalloc.algorithms.cost_model import CostModel as Model
    from wordalloc.algorithms.cost_model import LayerShape, class_cost, full_cost

    model, shape = cost_model or Model(), LayerShape(dim, batch)
    cost, full = class_cost(model, shape, made.sizes, made.masses), full_cost(model, shape, made.vocabulary.size)
    ami = made.parameters["objective"] if made.parameters["algorithm"] in _BY_AMI else None
    return {
        "n_classes": made.n_classes,
        "smallest": int(made.sizes.min()),
        "largest": int(made.sizes.max()),
        "ami_bits": ami,
        "expected_cost": cost,
        "full_cost": full,
        "speedup": full / cost,
    }


def _class_line(summary: dict[str, Any], method: str, batch: int, dim: int) -> str:
    ami = "" if summary["ami_bits"] is None else f", average mutual information {summary['ami_bits']:.4f} bits"
    return (
        f"{summary['n_classes']:,} classes by {method}{ami}.\n"
        f"Expected time a step (d = {dim}, {batch:,} tokens): {milliseconds(summary['expected_cost'])}, "
        f"{summary['speedup']:.1f} × faster than a full softmax ({milliseconds(summary['full_cost'])})."
    )


def _print_sweeps(sweeps: list[dict[str, Any]]) -> None:
    """Print the search, sweep by sweep; of a long annealing every so many sweeps, and each stage's last."""
    if not sweeps:
        return
    rows = []
    step = max(1, sum(sweep["stage"] == "anneal" for sweep in sweeps) // 10)
    for number, sweep in enumerate(sweeps, start=1):
        is_last = number == len(sweeps) or sweeps[number]["stage"] != sweep["stage"]
        if is_last or sweep["stage"] != "anneal" or number % step == 0:
            rows.append((f"{number}", sweep["stage"], f"{sweep['ami_bits']:.4f}", f"{sweep['moved']:,}"))
    print_table(["sweep", "stage", "AMI, bits", "words moved"], rows, text=["stage"])
    click.echo()


def _numbers(k_curve: str, n_classes: int | None) -> list[int]:
    if n_classes is not None:
        raise click.UsageError("--k-curve compares numbers of classes; give -k in a second command, for the one chosen")
    try:
        numbers = [int(part) for part in k_curve.split(",")]
    except ValueError:
        numbers = []
    if not numbers or min(numbers) < 1:
        raise click.UsageError(f"--k-curve expects whole numbers with commas between them, not {k_curve!r}")
    return numbers


def _compare_numbers(
    source: Source,
    text: Text,
    method: str,
    numbers: list[int],
    as_json: bool,
    options: dict[str, Any],
    shape: dict[str, Any],
) -> None:
    """Print AMI, perplexity and cost for each number of classes."""
    from wordalloc.algorithms.mutual_information import average_mutual_information, class_bigrams, entropy_bits
    from wordalloc.pipelines.allocate import make_classes

    bigrams = text.bigrams
    rows = []
    with progress_bar("clustering") as progress:
        for done, number in enumerate(numbers):
            made: Allocation = make_classes(text, method, number, **options, **shape)
            ami = average_mutual_information(class_bigrams(bigrams, made))  # type: ignore[arg-type]
            perplexity = 2 ** (entropy_bits(bigrams.right_counts) - ami)
            summary = _class_summary(made, **shape)  # type: ignore[arg-type]
            rows.append({**summary, "ami_bits": ami, "class_bigram_perplexity": perplexity})
            progress(done + 1, len(numbers))
    if as_json:
        emit_json({**vocabulary_summary(bigrams.vocabulary), "method": method, "curve": rows})
        return
    click.echo(f"{source.title}: {counted(bigrams.vocabulary)}\n")
    print_table(
        ["classes", "AMI, bits", "class bigram perplexity", "time a step", "full ÷ it"],
        [
            (
                f"{row['n_classes']:,}",
                f"{row['ami_bits']:.4f}",
                f"{row['class_bigram_perplexity']:.1f}",
                milliseconds(row["expected_cost"]),
                f"{row['speedup']:.1f} ×",
            )
            for row in rows
        ],
    )
    click.echo(
        "\nPerplexity is that of the counted text itself, which more classes always fit better. Nothing was written."
    )
