"""Brown clusters and word classes: words that stand in the same contexts, as classes and as bit strings.

    python examples/brown_clusters.py [text file]

Run it whole, or cell by cell in an editor that knows `# %%`. Without a text of yours it takes the documentation that
comes with Python. Less than half a minute.
"""

# %% The text, its words, and how often each stands behind each
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import wordalloc
from wordalloc.allocations.interchange import to_brown_paths
from wordalloc.corpus import write_demo_corpus

directory = tempfile.TemporaryDirectory()  # for all that is written here
folder = Path(directory.name)
text = sys.argv[1] if len(sys.argv) > 1 else write_demo_corpus(folder)[0]
vocabulary = wordalloc.count(text, min_count=3)
bigrams = wordalloc.count_bigrams(text, vocabulary)
print(f"{vocabulary.total:,} tokens, {vocabulary.size:,} words, {bigrams.count.size:,} distinct pairs of neighbours")

# %% Classes by exchange: every word where the mutual information of neighbouring classes is greatest
N_CLASSES = min(100, vocabulary.size)
classes = wordalloc.exchange_classes(bigrams, N_CLASSES, seed=0, effort="fast")
print(f"\n{classes.n_classes} classes, {classes.parameters['objective']:.3f} bits of mutual information")


def members(number, most=8):
    """The most frequent words of a class."""
    ranks = classes.members[classes.offsets[number] : classes.offsets[number + 1]]
    return " ".join(vocabulary.words_at(ranks[:most].tolist()))


for number in sorted(range(classes.n_classes), key=lambda number: -classes.sizes[number])[:8]:
    print(f"  {classes.sizes[number]:>5,} words: {members(number)}")

# %% Words like a word: those of its class
word = vocabulary.words[min(40, vocabulary.size - 1)]
(rank,) = vocabulary.index([word])
print(f"\nwith {word!r}: {members(classes.word_class[rank])}")

# %% A tree over the classes: Brown clustering's bit strings
# The two classes whose merger loses least are merged, again and again. What two words' bits have in common from the
# left tells how near they are; below the class a Huffman code tells its words apart.
tree = wordalloc.merge_classes(bigrams, classes)
depth = tree.class_depth
bits = [code[: depth[rank]] for rank, code in enumerate(tree.codes)]  # of each word's class
print("\nbits of frequent words:")
for rank in range(0, min(60, vocabulary.size), 6):
    print(f"  {bits[rank]:<16} {vocabulary.words[rank]}")

# %% Prefixes as features, the main use of Brown clusters: coarse, then finer
for length in (2, 4, 6):
    groups = defaultdict(list)
    for word, path in zip(vocabulary.words, bits, strict=True):
        groups[path[:length]].append(word)
    print(f"{length} bits: {len(groups)} groups, the first of {len(groups[bits[0][:length]]):,} words")

# %% What they are worth on a text
# Here the text that they were made from; on held-out text the figures are those of a model of class bigrams.
found = wordalloc.score(tree, bigrams, vocabulary.counts)
unigram = 2**found.unigram_entropy_bits
print(f"\nclass bigram perplexity {found.class_bigram_perplexity:.0f}; that of single words is {unigram:.0f}")

# %% For other programs: the `paths` file of brown-cluster, and back
paths = folder / "paths"
paths.write_text("".join(to_brown_paths(tree)), encoding="utf-8")
print(f"\n{paths.name}:")
for line in paths.read_text(encoding="utf-8").splitlines()[:3]:
    print(" ", *line.split("\t"))
tree.save(folder / "corpus.tree.safetensors")  # for ClassSoftmax (tree.cut()) and TreeSoftmax

# %% Nothing of this is kept
directory.cleanup()
