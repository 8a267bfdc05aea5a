"""The command group: every command of ``wordalloc``, in the order of the road from text to model."""

from __future__ import annotations

import os

import click

from wordalloc.cli.calibrate import calibrate
from wordalloc.cli.choices import NearestCommand
from wordalloc.cli.classes import bigrams, classes, tree
from wordalloc.cli.comparing import compare
from wordalloc.cli.completion import completion
from wordalloc.cli.counting import buckets, count
from wordalloc.cli.cutoffs import cutoffs
from wordalloc.cli.demo import demo
from wordalloc.cli.doctor import doctor
from wordalloc.cli.encoding import encode
from wordalloc.cli.files import export, import_, show
from wordalloc.cli.lightrnn import lightrnn, lightrnn_init, lightrnn_realloc
from wordalloc.cli.plotting import plot
from wordalloc.cli.report import report
from wordalloc.cli.scoring import score
from wordalloc.cli.training import evaluate, train
from wordalloc.errors import InputError


@click.group(cls=NearestCommand, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="wordalloc")
@click.pass_context
def commands(context: click.Context) -> None:
    """Vocabulary clustering and word allocation: cheap softmax layers over large vocabularies.

    \b
    First steps:
      wordalloc demo                      everything once, on text found on this machine
      wordalloc cutoffs corpus.txt        the best adaptive-softmax cutoffs for a corpus
      wordalloc classes corpus.txt        word classes by exchange clustering
      wordalloc tree corpus.txt           a Huffman tree; --method brown: a Brown tree
      wordalloc train corpus.txt --allocation corpus.cutoffs.safetensors --valid valid.txt
      wordalloc lightrnn corpus.txt --valid valid.txt      a LightRNN, its table made and reallocated
      wordalloc compare corpus.txt        which of all these is worth it on this text and machine
    """
    try:
        os.getcwd()  # noqa: PTH109
    except FileNotFoundError as error:
        if context.invoked_subcommand != "doctor":  # which says it among its findings
            raise InputError("the current folder is gone; choose another (cd)") from error


for _command in (
    demo,
    count,
    bigrams,
    encode,
    buckets,
    calibrate,
    cutoffs,
    classes,
    tree,
    score,
    show,
    plot,
    export,
    import_,
    train,
    evaluate,
    compare,
    report,
    lightrnn,
    lightrnn_init,
    lightrnn_realloc,
    doctor,
    completion,
):
    commands.add_command(_command)
