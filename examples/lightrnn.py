"""A small model for a device: LightRNN, whose words share the vectors of a table's rows and columns.

    python examples/lightrnn.py [text file [tokens to train on]]

Run it whole, or cell by cell in an editor that knows `# %%`. Without a text of yours it takes the documentation that
comes with Python. Under a minute on two cores; a model worth having takes more tokens than this.
"""

# %% The text; some of it is held out for the test
import sys
import tempfile
from pathlib import Path

import wordalloc
from wordalloc.corpus import write_demo_corpus
from wordalloc.pipelines.tables import reallocate_table
from wordalloc.training import TrainConfig, train

TOKENS = int(sys.argv[2]) if len(sys.argv) > 2 else 60_000  # for each model
WIDTH = 128
directory = tempfile.TemporaryDirectory()  # for all that is written here
folder = Path(directory.name)
if len(sys.argv) > 1:
    text, valid = folder / "train.txt", folder / "valid.txt"
    lines = Path(sys.argv[1]).read_text(encoding="utf-8").splitlines(keepends=True)
    text.write_text("".join(line for number, line in enumerate(lines) if number % 20), encoding="utf-8")
    valid.write_text("".join(lines[::20]), encoding="utf-8")
else:
    text, valid = write_demo_corpus(folder)
vocabulary = wordalloc.count(text, min_count=2)
print(f"{vocabulary.total:,} tokens, {vocabulary.size:,} words")


# %% A full softmax, to compare with
def trained(name, allocation, **options):
    """Train an LSTM on the budget of tokens; say and return what came of it."""
    config = TrainConfig(width=WIDTH, max_tokens=TOKENS, epochs=100, **options)
    is_light = options.get("table_model") == "lightrnn"
    found = train([text], valid=[valid], allocation=allocation, run=folder / name, config=config, costs=is_light)
    print(f"  {name:<12} perplexity {found.best_perplexity:7.1f}   {found.n_parameters:>10,} parameters")
    return found


print(f"\ntrained on {TOKENS:,} tokens:")
full = trained("full", vocabulary)

# %% A table of √V rows and √V columns: a word's vectors are its row's and its column's
# So there are 2 √V of them instead of V. Where each word stands is the question; here by chance.
table = wordalloc.initial_table(vocabulary, by="random", seed=0)
light = trained("by chance", table, table_model="lightrnn")

# %% Give the words better cells: what each would cost elsewhere is known from the training
# The words are assigned anew so that the sum is least; the gap is the proven distance from the best table.
better = reallocate_table(table, wordalloc.load(folder / "by chance" / "costs-000.safetensors"))
trained("reallocated", better.table, table_model="lightrnn")

# %% Or begin with a table whose rows hold words of the same contexts, which `wordalloc lightrnn` does
bigrams = wordalloc.count_bigrams(text, vocabulary)
clusters = wordalloc.brown_tree(bigrams, min(100, vocabulary.size), effort="fast")
by_class = wordalloc.initial_table(clusters)
trained("by class", by_class, table_model="lightrnn")

# %% What it comes to
print(f"\n{full.n_parameters / light.n_parameters:.1f} × fewer parameters than with a full softmax")
change = better.objective / better.objective_before - 1
print(f"reallocated: {100 * change:.1f} % nats, gap {better.gap:.1g}; {better.moved:,} words have another cell")
print(f"{by_class.n_rows} × {by_class.n_columns} cells by class; some of the rows:")
for row in sorted(range(by_class.n_rows), key=lambda row: -by_class.row_masses[row])[:4]:
    print(f"  {' '.join(vocabulary.words_at(by_class.words_in_row(row)[:8].tolist()))}")

# %% What goes to the device: the weights, and the words with their cells
weights = folder / "by class" / "checkpoint" / "best.safetensors"
by_class.save(folder / "table.safetensors")
print(f"\non the device: {weights.stat().st_size:,} bytes of weights, ", end="")
print(f"{(folder / 'table.safetensors').stat().st_size:,} bytes of words and cells")

# %% Nothing of this is kept
directory.cleanup()
