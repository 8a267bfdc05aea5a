"""Whether predicted times are right: training steps at the optimum and at other cutoffs, measured side by side."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from wordalloc.algorithms.adaptive_cutoffs import layer_cost, problem_of
from wordalloc.algorithms.constraints import Constraints, prefix_masses
from wordalloc.algorithms.copied_constants import copied_constants
from wordalloc.algorithms.cost_model import LayerShape
from wordalloc.allocations import Cutoffs
from wordalloc.nn import AdaptiveSoftmax
from wordalloc.training.timing import Place, Step, Timing, timings
from wordalloc.vocabulary import Vocabulary

RANDOM = 4
RANGE = 4  # of a random cutoff above the least feasible one: heads far beyond it only take long
_BUDGET = 1.5  # seconds of measuring for each layer, or three rounds


@dataclass(frozen=True)
class Verified:
    """Cutoffs with the seconds of a step, predicted and measured."""

    name: str
    cutoffs: Cutoffs
    feasible: bool
    predicted: float
    measured: Timing


def verify(
    optimum: Cutoffs,
    *,
    n_random: int = RANDOM,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> list[Verified]:
    """Measure a training step at computed cutoffs, at the copied constants, and at random feasible cutoffs.

    Parameters
    ----------
    optimum : Cutoffs
        A result of `adaptive_cutoffs`: its parameters name the profile, whose device and dtype are used, the layer
        and the constraints.
    n_random : int
        Random cutoffs, with as many clusters as the optimum has.
    seed : int
        Of the random cutoffs and of the tokens, which are drawn from the vocabulary's counts.
    progress : callable, optional
        Called as ``progress(rounds, least number of rounds)``.

    Returns
    -------
    list of Verified
        The optimum first. All were measured in turn, in the same minutes.

    Raises
    ------
    InputError
        If the profile's device is not there.
    """
    model, shape, constraints = problem_of(optimum)
    place = Place.of(model.device or "auto", model.dtype or "float32")
    rng = np.random.default_rng(seed)
    choices = {"optimum": optimum, **{f"copied {n}": c for n, c in copied_constants(optimum.vocabulary).items()}}
    for number in range(n_random):
        drawn = random_cutoffs(optimum.vocabulary, constraints, optimum.n_clusters, rng)
        choices[f"random {number + 1}"] = Cutoffs(optimum.vocabulary, drawn)
    measured = measure_cutoffs(list(choices.values()), shape, place, rng, progress)
    return [
        Verified(name, cutoffs, constraints.met_by(cutoffs), layer_cost(cutoffs, model, shape), timing)
        for (name, cutoffs), timing in zip(choices.items(), measured, strict=True)
    ]


def measure_cutoffs(
    choices: list[Cutoffs],
    shape: LayerShape,
    place: Place,
    rng: np.random.Generator,
    progress: Callable[[int, int], None] | None = None,
) -> list[Timing]:
    """Return the time of a training step at each of several cutoffs of one vocabulary, measured in turn."""
    target = draw_tokens(choices[0].vocabulary, shape.batch, rng)
    hidden = torch.from_numpy(rng.standard_normal((shape.batch, shape.dim), dtype=np.float32))
    steps = [
        Step(AdaptiveSoftmax.from_allocation(c, shape.dim, div_value=shape.div_value), hidden.clone(), target, place)
        for c in choices
    ]
    return timings(steps, place, budget=_BUDGET * len(steps), progress=progress)


def draw_tokens(vocabulary: Vocabulary, n: int, rng: np.random.Generator) -> torch.Tensor:
    """Draw ranks in proportion to their counts, (n,)."""
    ranks = np.searchsorted(prefix_masses(vocabulary)[1:], rng.random(n), side="right")
    return torch.from_numpy(np.minimum(ranks, vocabulary.size - 1))


def random_cutoffs(
    vocabulary: Vocabulary, constraints: Constraints, n_clusters: int, rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Draw feasible cutoffs: the logarithm of each is uniform from the least that is feasible to four times that.

    Where fewer clusters fit behind what was drawn, there are fewer.
    """
    prefix = prefix_masses(vocabulary)
    ends = constraints.earliest_ends(prefix)
    cutoffs, least = [], constraints.smallest_head(prefix)
    for _ in range(n_clusters):
        if least >= vocabulary.size:
            break
        low, high = np.log(least), np.log(min(RANGE * least, vocabulary.size))
        cutoffs.append(min(vocabulary.size - 1, max(least, int(np.exp(rng.uniform(low, high))))))
        least = int(ends[cutoffs[-1]])
    return np.array(cutoffs, dtype=np.int64)
