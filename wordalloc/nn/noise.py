"""Noise: a fixed distribution over the words, from which negatives are drawn in O(1) each.

The alias method (Walker 1977, "An efficient method for generating discrete random variables with general
distributions"; Vose 1991, "A linear algorithm for generating random numbers with a given distribution"): V columns of
one height; a column belongs to its own word up to a threshold, and above it to one other word, its alias. A uniform
point under the top is a draw.

Here everything is a whole number. A word of probability q owns the nearest whole number of 2^62 units, and at least
one, so that every word can be drawn. There are 2^c ≥ V columns of 2^(62 - c) units; those beyond V are filled by
aliases whole. A random 62-bit integer is then a column and a height in it, each exactly uniform (the remainder of a
random integer by V would not be: for V = 10^7 and 32 bits it is off by one part in 430). So draws have exactly the
distribution that the table holds and `Noise.log_prob` states, and no cast of a model to a narrow dtype rounds it.
"""

from __future__ import annotations

from typing import Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from wordalloc.checks import whole_numbers
from wordalloc.errors import InputError

_BITS = 62  # of all units; sums of them stay inside int64


class Noise(nn.Module):
    """A distribution q over V words, on the device its buffers are on.

    Parameters
    ----------
    weights : array_like of float, shape (V,)
        In proportion to q; positive and finite.

    Attributes
    ----------
    log_prob : Tensor of float32, shape (V,)
        log q of each word.
    threshold, alias : Tensor of int64, shape (2^c,)
        Units of column w that belong to word w, and the word that the others belong to.
    height_bits : int
        62 - c: a column holds 2 to this power of units.

    Raises
    ------
    InputError
        If the weights are not positive finite numbers in one row.

    Examples
    --------
    Three words have four columns. The first word's share, 1/2, fills its own and the last; the others fill theirs:

    >>> noise = Noise([2.0, 1.0, 1.0])
    >>> (noise.threshold / 2**noise.height_bits).tolist(), noise.alias.tolist()
    ([1.0, 1.0, 1.0, 0.0], [0, 1, 2, 0])
    >>> draws = noise.draw((10_000,), generator=torch.Generator().manual_seed(0))
    >>> draws.bincount() / 10_000
    tensor([0.5053, 0.2437, 0.2510])
    """

    log_prob: Tensor
    threshold: Tensor
    alias: Tensor

    def __init__(self, weights: npt.ArrayLike) -> None:
        super().__init__()
        array = np.asarray(weights, dtype=np.float64)
        if array.ndim != 1 or not array.size:
            raise InputError(f"noise needs a row of weights, one a word, not an array of shape {array.shape}")
        wrong = ~(np.isfinite(array) & (array > 0))
        if wrong.any():
            raise InputError(f"weights of noise must be positive and finite, but one is {array[wrong][0]}")
        self.vocab_size = array.size
        column_bits = (array.size - 1).bit_length()
        self.height_bits = _BITS - column_bits
        units = _whole_units(array, 1 << _BITS)
        padded = np.zeros(1 << column_bits, dtype=np.int64)
        padded[: array.size] = units
        threshold, alias = alias_table(padded, 1 << self.height_bits)
        log_prob = np.log(units) - _BITS * np.log(2)
        # Not in the state: they follow from the vocabulary.
        self.register_buffer("threshold", torch.from_numpy(threshold), persistent=False)
        self.register_buffer("alias", torch.from_numpy(alias), persistent=False)
        self.register_buffer("log_prob", torch.from_numpy(log_prob).float(), persistent=False)

    @classmethod
    def unigram(cls, counts: npt.ArrayLike, power: float = 0.75) -> Self:
        """Return q ∝ count^power, flatter than the unigram distribution (Mikolov et al. 2013, section 2.2).

        A count of 0 counts as 1: a word that cannot be drawn would never be a negative, and its score would rise
        unopposed. The shares of the words that occur stay in proportion.

        Parameters
        ----------
        counts : array_like of int, shape (V,)
            At least 0.
        power : float
            From 0, the uniform distribution, to 1, the unigram distribution.

        Examples
        --------
        >>> Noise.unigram([16, 1, 0], power=0.5).log_prob.exp()
        tensor([0.6667, 0.1667, 0.1667])
        """
        array = whole_numbers(counts, "counts")
        if array.ndim != 1 or not array.size or array.min() < 0:
            raise InputError("noise needs the counts of the words: a row of whole numbers of at least 0")
        if not 0 <= power <= 1:
            raise InputError(f"the power of the noise must be from 0 (uniform) to 1 (unigram), not {power!r}")
        return cls(np.maximum(array, 1) ** float(power))

    @classmethod
    def log_uniform(cls, vocab_size: int) -> Self:
        """Return q = log(1 + 1 / (rank + 1)) / log(V + 1): near Zipf's law, from the ranks alone.

        It is that of TensorFlow's ``log_uniform_candidate_sampler``.

        Examples
        --------
        >>> Noise.log_uniform(3).log_prob.exp()  # log 2, log 3/2 and log 4/3 over log 4
        tensor([0.5000, 0.2925, 0.2075])
        """
        return cls(np.log1p(1 / np.arange(1, _size(vocab_size) + 1)))

    @classmethod
    def uniform(cls, vocab_size: int) -> Self:
        """Return q = 1 / V.

        Examples
        --------
        >>> Noise.uniform(4).log_prob.exp()
        tensor([0.2500, 0.2500, 0.2500, 0.2500])
        """
        return cls(np.ones(_size(vocab_size)))

    def draw(self, shape: tuple[int, ...], generator: torch.Generator | None = None) -> Tensor:
        """Return words drawn independently, with replacement: ranks (int64) of this shape.

        Parameters
        ----------
        shape : tuple of int
            Of the result.
        generator : torch.Generator, optional
            Of the same device. By default torch's own, whose state a checkpoint of the trainer holds.
        """
        point = torch.randint(1 << _BITS, shape, generator=generator, device=self.alias.device)
        column, height = point >> self.height_bits, point & ((1 << self.height_bits) - 1)
        return torch.where(height < self.threshold[column], column, self.alias[column])

    def extra_repr(self) -> str:
        return f"vocab_size={self.vocab_size}"


def alias_table(units: npt.NDArray[np.int64], height: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Lay words' units into columns of one height: exact, in O(V log V) for two sorted look-ups.

    A light word, of fewer units than a column, leaves a gap; a heavy one has units over. Vose's loop lets the current
    heavy word fill the gaps of the light ones, one after another, until it lacks units for its own column; the next
    heavy word fills that gap, and goes on. Which word is current follows from the sums of gaps and of excesses up to
    there, so the loop is two look-ups of sorted sums (Hübschle-Schneider & Sanders 2019, "Parallel weighted random
    sampling").

    Parameters
    ----------
    units : ndarray of int64, shape (V,)
        Of each word, at least 0; together V · height, below 2^63.
    height : int
        Of a column.

    Returns
    -------
    threshold, alias : ndarray of int64, shape (V,)
        Units of column w that belong to word w, and the word that the others belong to.

    Examples
    --------
    Columns hold 4. Word 0 has 2 units over, which the words 1 and 2 lack one each:

    >>> alias_table(np.array([6, 3, 3]), 4)
    (array([4, 3, 3]), array([0, 0, 0]))
    """
    threshold, alias = units.copy(), np.arange(units.size)
    heavy, light = np.flatnonzero(units >= height), np.flatnonzero(units < height)
    gaps = np.concatenate(([0], np.cumsum(height - units[light])))  # before each light word, and in all
    excess = np.cumsum(units[heavy] - height)  # up to and with each heavy word
    # A light word's gap is filled by the first heavy word that has not run out before it.
    alias[light] = heavy[np.searchsorted(excess, gaps[:-1])]
    # The light word at whose gap a heavy one runs out takes what is missing from that one's own column.
    out = np.searchsorted(gaps, excess, side="right")
    ran_out = out < gaps.size
    threshold[heavy] = height
    threshold[heavy[ran_out]] -= gaps[out[ran_out]] - excess[ran_out]
    alias[heavy[:-1]] = heavy[1:]
    alias[threshold == height] = np.flatnonzero(threshold == height)
    return threshold, alias


def _whole_units(weights: npt.NDArray[np.float64], total: int) -> npt.NDArray[np.int64]:
    """Share `total` units out in proportion to the weights, at least one each."""
    shares = weights / weights.max()
    units = np.maximum(np.rint(shares * (total / shares.sum())), 1).astype(np.int64)
    # What rounding leaves over or took too much is nothing beside the units of the greatest.
    units[np.argmax(weights)] += total - int(units.sum())
    return units


def _size(vocab_size: int) -> int:
    if isinstance(vocab_size, bool) or not isinstance(vocab_size, int) or vocab_size < 1:
        raise InputError(f"vocab_size must be a positive whole number, not {vocab_size!r}")
    return vocab_size
