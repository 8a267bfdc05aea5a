"""Huffman codes and a hierarchical softmax: short codes for frequent words, and a layer that walks them.

    python examples/huffman_codes.py [text file]

Run it whole, or cell by cell in an editor that knows `# %%`. Without a text of yours it takes the documentation that
comes with Python. Less than half a minute.
"""

# %% The text, and its words by frequency
import itertools
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

import wordalloc
from wordalloc.corpus import encode, write_demo_corpus
from wordalloc.nn import FullSoftmax, TreeSoftmax

directory = tempfile.TemporaryDirectory()  # for all that is written here
folder = Path(directory.name)
text = sys.argv[1] if len(sys.argv) > 1 else write_demo_corpus(folder)[0]
vocabulary = wordalloc.count(text, min_count=2)
print(f"{vocabulary.total:,} tokens, {vocabulary.size:,} words")

# %% The code of least average length. No code begins another one
tree = wordalloc.huffman(vocabulary)
shares = vocabulary.counts / vocabulary.total
entropy = -sum(share * np.log2(share) for share in shares if share)
print(f"\n{tree.mean_code_length:.3f} bits a token; the entropy, which no code beats, is {entropy:.3f}")
print(f"codes of equal length take {wordalloc.balanced_tree(vocabulary).mean_code_length:.3f} bits")
print(f"with four digits instead of two: {wordalloc.huffman(vocabulary, arity=4).mean_code_length:.3f} digits a token")
for rank in (0, 1, 10, 100, 1000):
    if rank < vocabulary.size:
        print(f"  {vocabulary.words[rank]:<12} {tree.codes[rank]}")

# %% A text as bits, and back again
ids = encode(text, vocabulary).ids[:2000]  # ranks, the unknown word for what the vocabulary lacks
bits = "".join(tree.codes[rank] for rank in ids)
decoded, code = [], ""
word_of = {code: rank for rank, code in enumerate(tree.codes)}
for bit in bits:
    code += bit
    if code in word_of:
        decoded.append(word_of[code])
        code = ""
assert decoded == ids.tolist()
print(f"\n{len(ids):,} words as {len(bits):,} bits, and decoded again")

# %% A hierarchical softmax: a binary decision at each node on the way to a word
# So a token costs as many products as its code has digits, not one for every word.
DIM, BATCH = 128, 1024
torch.manual_seed(0)
layers = {
    "full": FullSoftmax.from_allocation(vocabulary, DIM),
    "tree": TreeSoftmax.from_allocation(tree, DIM, sparse=True),
}
hidden = torch.randn(BATCH, DIM)
target = torch.multinomial(torch.from_numpy(shares), BATCH, replacement=True)
torch.sparse.check_sparse_tensor_invariants.disable()  # torch asks to say so where sparse gradients are used


def seconds_a_step(layer, steps=10):
    """Time a forward and a backward pass, after one to warm up."""
    layer.loss(hidden, target).backward()
    began = time.perf_counter()
    for _ in range(steps):
        layer.loss(hidden, target).backward()
    return (time.perf_counter() - began) / steps


times = {name: seconds_a_step(layer) for name, layer in layers.items()}
print(f"\na step of the tree softmax is {times['full'] / times['tree']:.1f} × faster than of the full one")

# %% It is a true distribution, learns, and finds the most probable words without scoring all
layer = layers["tree"]
print(f"the probabilities of all words add up to {layer.log_prob(hidden[:1]).exp().sum().item():.4f}")
context = torch.nn.Embedding(vocabulary.size, DIM, sparse=True)  # of the word before: a bigram model
torch.nn.init.normal_(context.weight, std=0.1)
optimizer = torch.optim.Adagrad([*layer.parameters(), *context.parameters()], lr=0.1)  # takes sparse gradients
pairs = torch.tensor(list(itertools.pairwise(encode(text, vocabulary).ids[:60_000].tolist())))
batches = pairs.split(BATCH)
for step, batch in enumerate(batches):
    loss = layer.loss(context(batch[:, 0]), batch[:, 1])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step in (0, len(batches) - 1):
        print(f"step {step}: {loss.item():.2f} nats")
word = vocabulary.words[min(5, vocabulary.size - 1)]
_, ranks = layer.topk(context(torch.from_numpy(vocabulary.index([word]))), k=3)
print(f"after {word!r}: {[vocabulary.words[rank] for rank in ranks[0].tolist()]}")

# %% Nothing of this is kept
directory.cleanup()
