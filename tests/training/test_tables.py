"""Training over tables: what is learnt, costs, words that move, rounds that are taken back or broken off."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

import wordalloc
import wordalloc.algorithms.reallocation
from wordalloc.corpus import encode
from wordalloc.errors import InputError
from wordalloc.pipelines.lightrnn import train_in_rounds
from wordalloc.pipelines.tables import reallocate_table
from wordalloc.training import TrainConfig, evaluate, trainer
from wordalloc.training import rounds as rounds_module
from wordalloc.training import train as train_model
from wordalloc.training.checkpoint import load_checkpoint
from wordalloc.training.data import IGNORED, Streams
from wordalloc.training.model import make_model
from wordalloc.training.run_directory import RunDirectory
from wordalloc.training.table_costs import table_costs
from wordalloc.training.table_model import digit_nll, digit_scores, move_words

SMALL = TrainConfig(width=24, batch=8, bptt=20, epochs=2, learning_rate=2e-2, warmup=10, device="cpu")
CPU = torch.device("cpu")
MODELS = ["softmax", "lightrnn"]


@pytest.fixture(scope="module")
def vocabulary(chain):
    return wordalloc.count(chain.train, eos=False)


@pytest.fixture(scope="module")
def table(vocabulary):
    """A table of chance, with cells left empty."""
    return wordalloc.initial_table(vocabulary, 6, by="random", seed=3)


def configured(model: str, **changes) -> TrainConfig:
    return replace(SMALL, table_model=model, **changes).with_defaults("table", "table")


def read(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("model", MODELS)
def test_learns_the_source(chain, table, tmp_path, model):
    config = replace(SMALL, table_model=model)
    result = train_model(chain.train, valid=chain.valid, allocation=table, run=tmp_path / "run", config=config)
    assert 0.97 < result.best_perplexity / math.exp(chain.entropy) < 1.35
    assert result.best_perplexity < 0.5 * math.exp(chain.unigram_entropy)
    assert evaluate(tmp_path / "run", chain.valid).perplexity == pytest.approx(result.best_perplexity, rel=1e-5)
    assert RunDirectory(tmp_path / "run").read_table(0).cell.tolist() == table.cell.tolist()


@pytest.mark.parametrize("model", MODELS)
def test_costs_are_what_the_model_says_of_every_row(chain, table, model):
    """Against the model itself, token by token: P(row) as it is, and columns after an actual exchange of two words."""
    torch.manual_seed(0)
    config = configured(model)
    made = make_model(table, config)
    text = encode(chain.valid, table.vocabulary)
    costs = table_costs(made, table, text, config, CPU, max_tokens=400)
    costs.check_table(table)
    used = costs.parameters["tokens"]
    assert 300 <= used <= 400
    # Token by token, from the state that the streams of the text lead to.
    by_word = np.zeros(table.vocabulary.size)
    expected_rows = np.zeros(costs.row_nll.shape)
    part, state = replace(text, ids=text.ids[:used]), None
    for batch in Streams(part, 32, config.bptt, 0).steps():
        targets = batch.targets.clamp(min=0)
        with torch.no_grad():
            rows, columns, state = digit_scores(made, batch.inputs.clamp(min=0), targets, state)
            nll = digit_nll(made, rows, columns, targets.flatten())
        for place, word in enumerate(batch.targets.flatten().tolist()):
            if word != IGNORED:
                expected_rows[word] += -torch.log_softmax(rows[place], 0).numpy()
                by_word[word] += float(nll[0][place, table.row[word]] + nll[1][place, table.column[word]])
    np.testing.assert_allclose(costs.row_nll, expected_rows, rtol=1e-4)
    assert costs.objective(table.cell) == pytest.approx(by_word.sum(), rel=1e-5)
    assert np.unique(text.ids[:used]).size == (costs.row_nll.sum(1) > 0).sum()


@pytest.mark.parametrize("model", MODELS)
def test_the_cost_of_a_column_is_the_nll_after_the_exchange(table, model):
    torch.manual_seed(1)
    config = configured(model)
    made = make_model(table, config).double().eval()
    row = int(np.argmax(np.bincount(table.row)))
    word, other = table.words_in_row(row)[:2].tolist()
    inputs, targets = torch.tensor([[5]]), torch.tensor([[word]])
    before = digit_nll(made, *digit_scores(made, inputs, targets, None)[:2], targets.flatten())
    cell = table.cell.copy()
    cell[word], cell[other] = cell[other], cell[word]
    moved = wordalloc.Table(table.vocabulary, cell, table.shape)
    predicted = float(before[1][0, moved.column[word]])
    if model == "softmax":  # the exchange is to concern the output alone, not the word that was read
        made.embedding = make_model(table, config).double().embedding
        before = digit_nll(made, *digit_scores(made, inputs, targets, None)[:2], targets.flatten())
        predicted = float(before[1][0, moved.column[word]])
    move_words(made, moved)
    if model == "softmax":
        made.embedding.layout.place(table.cell)
    else:
        made.output.layout.place(table.cell)
        state = made.output.states(inputs, targets)[1]
        made.output.layout.place(moved.cell)
        scores = torch.nn.functional.linear(state[0], made.output.column_output)
        scores = scores + made.output.layout.word_log_share[row]
        assert float(-torch.log_softmax(scores, 1)[0, moved.column[word]]) == pytest.approx(predicted)
        return
    after = digit_nll(made, *digit_scores(made, inputs, targets, None)[:2], targets.flatten())
    assert float(after[1][0, moved.column[word]]) == pytest.approx(predicted)


@pytest.mark.parametrize("model", MODELS)
def test_shards_add_up_to_the_same_costs(chain, table, model):
    torch.manual_seed(0)
    config = configured(model)
    made = make_model(table, config)
    text = encode(chain.valid, table.vocabulary)
    shown: list[tuple[int, int]] = []
    whole = table_costs(made, table, text, config, CPU, max_tokens=1000)
    row_bytes = 8 * sum(table.shape)
    parts = table_costs(
        made,
        table,
        text,
        config,
        CPU,
        max_tokens=1000,
        sums_bytes=7 * row_bytes,
        progress=lambda done, total: shown.append((done, total)),
    )
    assert (parts.row_nll == whole.row_nll).all() and (parts.col_nll == whole.col_nll).all()
    assert shown == sorted(shown) and shown[-1][0] == shown[-1][1] == 6 * whole.parameters["tokens"]
    by_sentence = table_costs(made, table, text, replace(config, by_sentence=True), CPU, max_tokens=1000)
    assert by_sentence.row_nll.shape == whole.row_nll.shape and by_sentence.objective(table.cell) > 0


def test_moving_words_keeps_what_the_counts_say(vocabulary, table):
    """A model that knows only counts gives the same probabilities wherever the words stand."""
    config = configured("softmax")
    made = make_model(table, config)
    with torch.no_grad():
        for parameter in (made.output.rows, made.output.row_vectors, made.output.mix, made.output.columns):
            parameter.zero_()
    other = wordalloc.initial_table(vocabulary, 6, by="frequency")
    before = made.output.log_prob(torch.zeros(1, 24))[0]
    move_words(made, other)
    after = made.output.log_prob(torch.zeros(1, 24))[0]
    assert made.output.layout.row.tolist() == made.embedding.layout.row.tolist() == other.row.tolist()
    shares = (vocabulary.counts + 1) / (vocabulary.counts + 1).sum()
    np.testing.assert_allclose(after.exp().detach(), shares, rtol=0.1)
    np.testing.assert_allclose(after.detach(), before.detach(), atol=0.1)


def rounds_run(chain, table, folder, model="lightrnn", **changes):
    options = {
        "rounds": 3,
        "digits": "rows",
        "valid": chain.valid,
        "config": replace(SMALL, epochs=1, table_model=model),
    }
    return train_in_rounds(chain.train, table, run=folder, **{**options, **changes})


@pytest.mark.parametrize("model", MODELS)
def test_rounds_better_a_table_of_chance_and_are_kept(chain, table, tmp_path, model):
    result = rounds_run(chain, table, tmp_path / "run", model)
    directory = RunDirectory(tmp_path / "run")
    assert [entry["table"] for entry in result.rounds] == [1, 2, 3][: len(result.rounds)]
    for number, entry in enumerate(result.rounds):
        before, after = directory.read_table(number), directory.read_table(number + 1)
        costs = wordalloc.load(directory.costs(number))
        costs.check_table(before)
        assert entry["objective_before"] == costs.objective(before.cell)
        assert entry["objective"] == costs.objective(after.cell)
        assert entry["moved"] == (before.cell != after.cell).mean()
        assert entry["gap"] <= 1e-6
    assert result.rounds[0]["objective"] < result.rounds[0]["objective_before"]
    assert not list((tmp_path / "run" / "checkpoint").glob("before-*")) or result.rounds[-1]["taken_back"] is None
    assert evaluate(tmp_path / "run", chain.valid).perplexity == pytest.approx(result.best_perplexity, rel=1e-5)


def test_a_harmful_round_is_taken_back(chain, table, tmp_path, monkeypatch):
    """Words thrown about at the last moment of a slow training do harm that it cannot make good."""

    def shuffled(old, costs):
        cell = np.random.default_rng(0).permutation(old.cell)
        made = wordalloc.Table(old.vocabulary, cell, old.shape)
        return made, {"objective_before": costs.objective(old.cell), "objective": costs.objective(cell), "gap": 0.0}

    plan = rounds_module.Rounds(2, shuffled, {"digits": "chance"})
    config = replace(SMALL, epochs=1, table_model="lightrnn", learning_rate=5e-3)
    result = train_model(
        chain.train, valid=chain.valid, allocation=table, run=tmp_path / "run", config=config, rounds=plan
    )
    metrics = read(tmp_path / "run" / "metrics.jsonl")
    judged = {entry["judged"]: entry for entry in metrics if "judged" in entry}
    made = {entry["table"]: entry for entry in metrics if "moved" in entry}
    assert judged[2]["taken_back"] == (judged[2]["valid_nll"] > made[2]["valid_nll"])
    assert any(entry["taken_back"] for entry in result.rounds)
    directory = RunDirectory(tmp_path / "run")
    stands = 0
    for number in (1, 2):
        stands = stands if judged[number]["taken_back"] else number
    assert load_checkpoint(directory.latest)[1]["table"] == stands
    assert directory.table(1).exists() and directory.table(2).exists()  # what was taken back is still there to look at


def test_rounds_end_once_hardly_a_word_moves(chain, table, tmp_path):
    result = rounds_run(chain, table, tmp_path / "run", stay=1e6)
    assert [entry["moved"] for entry in result.rounds] == [0.0]


class Killed(BaseException):
    """The process dies."""


@pytest.mark.parametrize("model", MODELS)
def test_rounds_broken_off_anywhere_resume_to_the_same_bytes(chain, table, tmp_path, monkeypatch, model):
    config = replace(SMALL, epochs=1, width=8, max_tokens=6000, checkpoint_seconds=0.0, table_model=model)
    rounds_run(chain, table, tmp_path / "whole", config=config)
    left = 0

    def dying(write):
        def die_or_write(*arguments):
            nonlocal left
            left -= 1
            if left < 0:
                raise Killed
            write(*arguments)

        return die_or_write

    monkeypatch.setattr(RunDirectory, "append", dying(RunDirectory.append))
    for module in (trainer, rounds_module):
        monkeypatch.setattr(module, "save_checkpoint", dying(module.save_checkpoint))
    monkeypatch.setattr(wordalloc.Table, "save", dying(wordalloc.Table.save))
    broken, deaths = tmp_path / "broken", 0
    for number in range(1000):
        left = number % 7 + deaths // 7  # so that it dies at each kind of write, and yet goes on
        try:
            rounds_run(chain, table, broken, config=config, resume=True)
            break
        except Killed:
            deaths += 1
    assert deaths > 10
    names = sorted(str(file.relative_to(tmp_path / "whole")) for file in (tmp_path / "whole").rglob("*.*"))
    assert names == sorted(str(file.relative_to(broken)) for file in broken.rglob("*.*"))
    for name in names:
        if name != "timings.jsonl":
            assert (tmp_path / "whole" / name).read_bytes() == (broken / name).read_bytes(), name


def test_passes_for_costs_are_told(chain, table, tmp_path, monkeypatch):
    monkeypatch.setattr(trainer, "SHOW_SECONDS", 0.0)
    told = []
    config = replace(SMALL, epochs=1, width=8, max_tokens=2000, table_model="lightrnn")
    rounds_run(chain, table, tmp_path / "run", config=config, rounds=1, costs=True, progress=told.append)
    passes = [at for at in told if at.stage == "costs"]
    ends = [at for at in passes if at.tokens == at.total_tokens]
    assert len(ends) == 2 and {at.total_tokens for at in passes} == {40_000}
    assert all(math.isfinite(at.nll) for at in told if at.stage == "training")


def test_another_plan_is_another_run(chain, table, tmp_path):
    config = replace(SMALL, epochs=1, width=8, max_tokens=2000, table_model="lightrnn")
    rounds_run(chain, table, tmp_path / "run", config=config)
    with pytest.raises(InputError, match="another n_rounds: it was 3, now 2"):
        rounds_run(chain, table, tmp_path / "run", config=config, rounds=2, resume=True)
    with pytest.raises(InputError, match="cannot be continued with another"):
        rounds_run(chain, table, tmp_path / "run", config=config, rounds=0, resume=True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"costs": True}, "need a table"),
        ({"config": replace(SMALL, table_model="lightrnn")}, "a LightRNN needs a table"),
        ({"config": replace(SMALL, input="table")}, "needs an allocation that is a table"),
    ],
)
def test_what_needs_a_table(chain, vocabulary, tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        train_model(chain.train, allocation=vocabulary, run=tmp_path / "run", **{"config": SMALL, **options})
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("model", MODELS)
def test_nothing_is_tied_over_a_table(chain, table, tmp_path, model):
    with pytest.raises(InputError, match="--no-tie"):
        train_model(
            chain.train, allocation=table, run=tmp_path / "r", config=replace(SMALL, tie=True, table_model=model)
        )


@pytest.mark.parametrize(("n", "least"), [(0, 0.1), (1.5, 0.1), (True, 0.1), (1, -0.1), (1, 2)])
def test_impossible_rounds(n, least):
    with pytest.raises(InputError, match=r"rounds|least_moved"):
        rounds_module.Rounds(n, lambda table, costs: (table, {}), {}, least)


# --- reallocation of a table by costs ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def costed(table):
    rng = np.random.default_rng(0)
    counts = table.vocabulary.counts[:, None]
    rows, columns = (counts * rng.random((table.vocabulary.size, n)) for n in table.shape)
    return wordalloc.Costs(table.vocabulary, rows, columns, table.cell)


@pytest.mark.parametrize("digits", ["both", "rows", "columns", "turns"])
@pytest.mark.parametrize("others", ["best", "keep"])
def test_every_kind_of_reallocation_lowers_the_sum_within_its_bound(table, costed, digits, others):
    made = reallocate_table(table, costed, digits=digits, others=others)
    optimum = wordalloc.reallocate(costed.row_nll, costed.col_nll, solver="scipy").objective
    assert made.objective == pytest.approx(costed.objective(made.table.cell))
    assert optimum - 1e-6 * optimum <= made.objective < made.objective_before == costed.objective(table.cell)
    assert made.moved == (made.table.cell != table.cell).sum()
    if digits in ("both", "turns"):
        assert made.lower_bound <= optimum
    if digits == "both":
        assert made.objective == pytest.approx(optimum, rel=1e-6)
    if digits in ("rows", "columns"):
        nll, n = (costed.row_nll, table.n_columns) if digits == "rows" else (costed.col_nll, table.n_rows)
        digit = made.table.row if digits == "rows" else made.table.column
        best = wordalloc.reallocate_rows(nll, n, solver="ortools").objective
        assert nll[np.arange(len(nll)), digit].sum() == pytest.approx(best, rel=1e-5)
    if digits == "rows" and others == "keep":
        same = made.table.row == table.row
        assert (made.table.column[same] == table.column[same]).all()


def test_lighter_columns_give_better_rows_and_a_bound_that_holds(table, costed):
    optimum = wordalloc.reallocate(costed.row_nll, costed.col_nll, solver="scipy").objective
    every, whole = np.arange(table.vocabulary.size), reallocate_table(table, costed)
    light = reallocate_table(table, costed, column_weight=0.25)
    rows = [float(costed.row_nll[every, made.table.row].sum()) for made in (light, whole)]
    assert rows[0] < rows[1] and light.objective > whole.objective
    assert light.lower_bound <= optimum <= light.objective
    columns = wordalloc.algorithms.reallocation.columns_in_rows(costed.col_nll, light.table.row, table.n_rows)
    assert light.table.column.tolist() == columns.tolist()


def test_a_nat_for_staying_keeps_words_without_observations(table):
    zeros = np.zeros((table.vocabulary.size, 6)), np.zeros((table.vocabulary.size, table.n_columns))
    costs = wordalloc.Costs(table.vocabulary, *zeros, table.cell)
    for digits in ("both", "rows", "columns"):
        made = reallocate_table(table, costs, digits=digits, stay=1.0)
        assert made.moved == 0 and made.objective == made.lower_bound == 0


def test_costs_of_another_table_are_refused(table, costed):
    other = wordalloc.initial_table(table.vocabulary, 6, by="random", seed=4)
    with pytest.raises(InputError, match="costs are of another table"):
        reallocate_table(other, costed)
