"""scikit-learn estimators over allocations: words in, features or codes out.

* `BrownFeatures`: words to prefixes of their bit strings in a Brown tree, one-hot: features for taggers.
* `ExchangeClusters`: words to the numbers of their classes: for models that take categories as they are.
* `HuffmanCoder`: labels to bits and back: a classifier over V labels out of as many binary ones as the longest code.

The first two take what `sklearn.preprocessing.OneHotEncoder` takes: a table with one sample a row and one word a
column. **The words of a row stand next to each other in the text**, in the order of the columns: (word before, word,
word after), as taggers use them, or pairs ``numpy.column_stack([tokens[:-1], tokens[1:]])``. So each row is a sample
of its own, as scikit-learn has it: rows may be shuffled, split and drawn, and the pairs of words in them stay what they
are, which is not so of a column of words in text order. The empty string is no word: it stands beyond the ends of a
sentence. Numbers, such as token ids, are words by their digits, and whole ones the same word whether int or float.

Clusters are worth most when they come from far more text than is labelled. Make them from that text first, by ``fit``
or by ``wordalloc tree --method brown``, and give the result to the estimator in the pipeline, `BrownFeatures` with
``tree=``.

What does not fit, and is left out: `ExchangeClusters` is a transformer and no `ClusterMixin`, because that is for
clusters of samples, with a ``labels_`` for each row, and here words are clustered, of which a row has several.
`HuffmanCoder` codes labels, not features (a code made from counts alone tells a model nothing but the count), so it
follows `sklearn.preprocessing.LabelBinarizer`, and like that takes no part in scikit-learn's checks, which feed tables
of features.
"""

from __future__ import annotations

from wordalloc.features.brown_features import BrownFeatures
from wordalloc.features.exchange_clusters import ExchangeClusters
from wordalloc.features.huffman_coder import HuffmanCoder

__all__ = ["BrownFeatures", "ExchangeClusters", "HuffmanCoder"]
