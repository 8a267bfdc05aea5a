"""What cutoffs of an adaptive softmax must meet, how many tail clusters that leaves room for, what is in the way.

Left to itself the optimum of `wordalloc.algorithms.adaptive_cutoffs` shrinks the head to a few dozen words and, where
d is large and logits are cheap, the clusters behind it to one word each, only to reach the narrow widths, which are
cheap and predict badly. Three constraints keep it from that:

`min_head_mass` = 0.85
    The head answers at least this share of all tokens at the full width d. It is what people have by habit: the
    constants they copy give the head 86 % of the tokens of English novels, scaled to a vocabulary of 30,000 words.
`min_head` = 1
    A floor in words, for those who want one.
`min_tail_share` = 0.5
    Each tail cluster but the last answers at least this share of the tokens that reach it, so that at most
    (1 - 0.85) / 2ⁱ⁻¹ of all tokens are answered at width d / div_valueⁱ or less.

The least end of a cluster never falls as its start rises. So the smallest head, followed by the shortest clusters one
after the other, has the smallest value of every cutoff at once; walking back from the last word likewise gives the
largest head that leaves room for J clusters. All of it is exact and takes O(V log V), memory O(V).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from wordalloc.algorithms._arguments import real_number, whole_number
from wordalloc.algorithms.prefix_sums import prefix_sums
from wordalloc.allocations import Cutoffs
from wordalloc.errors import InputError
from wordalloc.vocabulary import Vocabulary

MIN_HEAD_MASS = 0.85
MIN_HEAD = 1
MIN_TAIL_SHARE = 0.5
ROUNDING = 1e-12  # a constraint that is met up to the rounding of the masses is met


@dataclass(frozen=True)
class Constraints:
    """What cutoffs must meet to be feasible; the module's text says why.

    Attributes
    ----------
    min_head_mass : float
        Least share of the tokens that the head answers, 0 … 1.
    min_head : int
        Least number of words in the head.
    min_tail_share : float
        Least share, of the tokens that reach a tail cluster, that it answers, 0 … 1 (the last one answers all).

    Raises
    ------
    InputError
        If a value is out of its range.

    Examples
    --------
    >>> prefix = prefix_masses(Vocabulary.from_counts("abcdef", [4, 4, 4, 2, 1, 1]))
    >>> constraints = Constraints(min_head_mass=0.5, min_tail_share=0.5)
    >>> constraints.shortest(prefix, 5)  # 8 of 16; then 4 of the 8 that are left, 2 of 4, 1 of 2, and one word more
    (2, 3, 4, 5)
    """

    min_head_mass: float = MIN_HEAD_MASS
    min_head: int = MIN_HEAD
    min_tail_share: float = MIN_TAIL_SHARE

    def __post_init__(self) -> None:
        object.__setattr__(self, "min_head_mass", real_number("min_head_mass", self.min_head_mass, 0, 1))
        object.__setattr__(self, "min_head", whole_number("min_head", self.min_head, 1))
        object.__setattr__(self, "min_tail_share", real_number("min_tail_share", self.min_tail_share, 0, 1))

    def smallest_head(self, prefix: npt.NDArray[np.float64]) -> int:
        """Return the least size of a feasible head: V where only the whole vocabulary will do."""
        by_mass = int(np.searchsorted(prefix, self.min_head_mass - ROUNDING))
        return min(prefix.size - 1, max(self.min_head, by_mass))

    def earliest_ends(self, prefix: npt.NDArray[np.float64], starts: Any = None) -> Any:
        """Return the least end of a tail cluster that is not the last one, for each first rank (default: for all)."""
        starts = np.arange(prefix.size) if starts is None else starts
        needed = prefix[starts] + self.min_tail_share * (1 - prefix[starts])
        return np.maximum(np.searchsorted(prefix, needed - ROUNDING), starts + 1)

    def shortest(self, prefix: npt.NDArray[np.float64], limit: int) -> tuple[int, ...]:
        """Return the smallest feasible cutoffs: of as many tail clusters as fit, at most `limit`.

        No feasible cutoffs of J clusters have any cutoff below the first J of these.
        """
        cutoffs: list[int] = []
        end = self.smallest_head(prefix)
        while len(cutoffs) < limit and end < prefix.size - 1:
            cutoffs.append(end)
            end = int(self.earliest_ends(prefix, end))
        return tuple(cutoffs)

    def met_by(self, cutoffs: Cutoffs) -> bool:
        """Tell whether cutoffs of any origin are feasible; without a tail cluster they always are."""
        prefix = prefix_masses(cutoffs.vocabulary)
        bounds = cutoffs.bounds
        if cutoffs.n_clusters == 0:
            return True
        inner = bounds[1:-2]
        return bool(
            bounds[1] >= self.smallest_head(prefix) and (self.earliest_ends(prefix, inner) <= bounds[2:-1]).all()
        )


def prefix_masses(vocabulary: Vocabulary) -> npt.NDArray[np.float64]:
    """Return the share of tokens before each rank, shape (V + 1,), from exactly 0 to exactly 1."""
    return prefix_sums(vocabulary) / float(vocabulary.total)


def numbers_of_clusters(
    prefix: npt.NDArray[np.float64], constraints: Constraints, n_clusters: int | None, max_clusters: int
) -> range:
    """Return the numbers of tail clusters to solve, all of which fit.

    Parameters
    ----------
    prefix : ndarray of float64, shape (V + 1,)
        Share of tokens before each rank.
    constraints : Constraints
        What the cutoffs must meet.
    n_clusters : int or None
        The one number wanted.
    max_clusters : int
        Without it: from 0 to this, or to as many as fit.

    Raises
    ------
    InputError
        If `n_clusters` do not fit; the message says which constraint is in the way and its nearest feasible value.

    Examples
    --------
    >>> prefix = prefix_masses(Vocabulary.from_counts("abcdef", [4, 4, 4, 2, 1, 1]))
    >>> numbers_of_clusters(prefix, Constraints(0.5, 1, 0.5), None, max_clusters=9)
    range(0, 5)
    >>> numbers_of_clusters(prefix, Constraints(0.8, 1, 0.5), 4, max_clusters=9)
    Traceback (most recent call last):
    wordalloc.errors.InputError: 4 tail clusters do not fit beside a head of at least 4 of 6 words: there is room \
for 2; ask for at most 2, or lower min_head_mass from 0.8 to 0.5
    """
    if n_clusters is None:
        return range(len(constraints.shortest(prefix, whole_number("max_clusters", max_clusters, 1))) + 1)
    wanted = whole_number("n_clusters", n_clusters, 0)
    room = len(constraints.shortest(prefix, wanted))
    if room == wanted:
        return range(wanted, wanted + 1)
    size = prefix.size - 1
    if wanted >= size:
        raise InputError(f"{wanted} tail clusters do not fit {size} words; under the constraints at most {room} do")
    changes = [f"{name} from {old:g} to {new:.10g}" for name, old, new in _ways_out(prefix, constraints, wanted)]
    free = asdict(Constraints(0, 1, 0))
    given = [name for name, value in asdict(constraints).items() if value != free[name]]
    several = f"more than one of {', '.join(given)}: no single one is enough"
    way_out = f"lower {', or '.join(changes) or several}"
    raise InputError(
        f"{wanted} tail clusters do not fit beside a head of at least {constraints.smallest_head(prefix)} of {size} "
        f"words: there is room for {room}; ask for at most {room}, or {way_out}"
    )


def _ways_out(
    prefix: npt.NDArray[np.float64], constraints: Constraints, wanted: int
) -> Iterator[tuple[str, float, float]]:
    """Yield each constraint that alone is in the way: its name, its value, the greatest that leaves room."""
    largest = _largest_head(constraints.earliest_ends(prefix), wanted)
    if largest >= constraints.min_head:
        yield "min_head_mass", constraints.min_head_mass, _round_down(float(prefix[largest]))
    if largest >= replace(constraints, min_head=1).smallest_head(prefix):
        yield "min_head", constraints.min_head, largest

    def fits(share: float) -> bool:
        return len(replace(constraints, min_tail_share=share).shortest(prefix, wanted)) == wanted

    low, high = 0.0, constraints.min_tail_share
    if fits(low):
        while (middle := (low + high) / 2) not in (low, high):
            low, high = (middle, high) if fits(middle) else (low, middle)
        yield "min_tail_share", constraints.min_tail_share, _round_down(low)


def _largest_head(earliest: npt.NDArray[np.int64], n_clusters: int) -> int:
    """Return the largest head that leaves room for so many tail clusters, the least long ones; 0: none does."""
    start = earliest.size - 2  # the last cluster needs one word
    for _ in range(n_clusters - 1):
        start = int(np.searchsorted(earliest, start, side="right")) - 1
        if start < 1:
            return 0
    return start


def _round_down(share: float) -> float:
    """Return a share to four significant digits, no greater than itself but for `ROUNDING`."""
    if share <= 0:
        return 0.0
    digits = 3 - math.floor(math.log10(share))
    return math.floor((share + ROUNDING / 2) * 10.0**digits) / 10.0**digits
