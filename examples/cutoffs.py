"""An adaptive softmax with the best cutoffs for a corpus: from text to a layer in a training loop.

    python examples/cutoffs.py [text file]

Run it whole, or cell by cell in an editor that knows `# %%`. Without a text of yours it takes the documentation that
comes with Python. Less than half a minute.
"""

# %% The text, and its words by frequency
import sys
import tempfile
import time
from pathlib import Path

import torch

import wordalloc
from wordalloc.algorithms.copied_constants import alternatives
from wordalloc.corpus import write_demo_corpus
from wordalloc.nn import AdaptiveSoftmax, FullSoftmax

directory = tempfile.TemporaryDirectory()  # for all that is written here
folder = Path(directory.name)
text = sys.argv[1] if len(sys.argv) > 1 else write_demo_corpus(folder)[0]
vocabulary = wordalloc.count(text, min_count=2)
print(f"{vocabulary.total:,} tokens, {vocabulary.size:,} words; the first: {' '.join(vocabulary.words[:8])}")

# %% The cutoffs of least expected time
# For the width d of your hidden state and the tokens of your training step, under the cost model of a device: of two
# CPU cores by default. `wordalloc calibrate` measures yours, and CostModel.from_json reads what it wrote.
DIM, BATCH = 256, 1024
cutoffs = wordalloc.adaptive_cutoffs(vocabulary, dim=DIM, batch=BATCH)
print(f"\nbest cutoffs: {cutoffs.cutoffs.tolist()}")
for number, (size, mass) in enumerate(zip(cutoffs.sizes, cutoffs.masses, strict=True)):
    print(f"  {f'tail {number}' if number else 'head':<7} {size:>7,} words answer {100 * mass:5.1f} % of the tokens")

# %% What it gains over a full softmax, and over the constants that people copy
full, best = cutoffs.parameters["full_cost"], cutoffs.parameters["objective"]
print(f"\nexpected: {full / best:.1f} × faster than a full softmax")
for other in alternatives(cutoffs):
    note = "" if other.feasible else "; it breaks the constraints on head and tails"
    print(f"          {other.cost / best:.2f} × the time at the copied {other.name}, in proportion{note}")

# %% Time against parameters
# Each line is the fastest layer of its size; the knee is where more parameters begin to buy little.
points = wordalloc.cutoff_frontier(cutoffs)
knee = wordalloc.knee(points)
print("\nparameters   ms a step   cutoffs")
for point in points[:: max(1, len(points) // 6)]:
    print(f"{point.parameters:>10,}   {1000 * point.cost:9.2f}   {list(point.cutoffs)}")
if knee is not None:
    print(f"knee at {list(knee.cutoffs)}")

# %% One file: what was computed, the words and their counts. It holds no code and is checked when it is read
path = folder / "corpus.cutoffs.safetensors"
cutoffs.save(path)
loaded = wordalloc.load(path)
print(f"\n{path.name}: {path.stat().st_size:,} bytes, {loaded}")

# %% The layer. Its ids are ranks: vocabulary.index turns words into them
torch.manual_seed(0)
layer = AdaptiveSoftmax.from_allocation(loaded, DIM)
plain = FullSoftmax.from_allocation(vocabulary, DIM)
print(f"parameters: {layer.n_parameters:,}, of a full softmax {plain.n_parameters:,}")

hidden = torch.randn(BATCH, DIM)  # of your model, of any leading shape
shares = torch.from_numpy(vocabulary.counts / vocabulary.total)
target = torch.multinomial(shares, BATCH, replacement=True)


def seconds_a_step(layer, steps=10):
    """Time a forward and a backward pass, after one to warm up."""
    layer.loss(hidden, target).backward()
    began = time.perf_counter()
    for _ in range(steps):
        layer.loss(hidden, target).backward()
    return (time.perf_counter() - began) / steps


times = {"full": seconds_a_step(plain), "adaptive": seconds_a_step(layer)}
print(f"measured here: {times['full'] / times['adaptive']:.1f} × faster than the full softmax")

# %% What a model asks of it
print(f"loss of an untrained layer: {layer.loss(hidden, target).item():.2f} nats")
total = layer.log_prob(hidden[:1]).exp().sum().item()
print(f"the probabilities of all words add up to {total:.4f}")
values, ranks = layer.topk(hidden[:1], k=3)  # exact, without scoring all words
print(f"most probable: {[vocabulary.words[rank] for rank in ranks[0].tolist()]}")

# %% Nothing of this is kept
directory.cleanup()
