"""The rank of every word of a text as it is spelt there; plain Python alone, because Spark sends it to its workers."""

from __future__ import annotations


class Ranks(dict[str, int]):
    """Ranks by spelling, learnt when a spelling is met; those of words out of the vocabulary are `UNKNOWN`.

    Parameters
    ----------
    ranks : dict of str to int
        Of the vocabulary's words.
    lowercase : bool
        Whether a word is looked up in lower case.
    """

    UNKNOWN = -1
    _MOST_LEARNT = 1_000_000  # spellings; a bound on memory where a text has no end of odd ones

    def __init__(self, ranks: dict[str, int], lowercase: bool) -> None:
        super().__init__()  # a copy of `ranks` would be as large as they are
        self._ranks = ranks
        self._lowercase = lowercase
        self._full = len(ranks) + self._MOST_LEARNT

    def __missing__(self, word: str) -> int:
        rank = self._ranks.get(word.lower() if self._lowercase else word, self.UNKNOWN)
        if len(self) < self._full:
            self[word] = rank
        return rank
