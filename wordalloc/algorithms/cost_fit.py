r"""The cost model of a device from measured steps: robust least squares in log space.

Minimises, over the numbers of `wordalloc.algorithms.cost_model.CostModel`, all of which are positive,

.. math:: \sum_i \rho\bigl(\log \hat t_i - \log t_i\bigr), \qquad \rho(r) = 2 s^2 (\sqrt{1 + (r/s)^2} - 1),

where t is a measured time and t̂ what the model predicts for the same layer. Logarithms, because a microsecond too much
in a step of ten counts as much as a second in one of ten million; the soft ρ (Huber's, smoothed; s = 10 %), because a
measurement that something else on the machine disturbed must not bend the rest. The search is a local one
(trust-region reflective; Branch, Coleman & Li 1999) from several points of saturation, in which alone the sum is not
smooth: heuristic, and its error is reported on steps that it did not see. The form of the model is fixed by what the
dynamic programme is exact for, so where a device behaves otherwise, the error says so. Time O(steps) a turn.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import least_squares

from wordalloc.algorithms.cost_model import CostModel, LayerShape, cluster_costs
from wordalloc.errors import InputError

NUMBERS = ("overhead", "multiply_add", "softmax", "saturation", "weight")
SOFT = 0.1  # relative error from which a step weighs less
FEWEST = 2 * len(NUMBERS)


@dataclass(frozen=True)
class MeasuredStep:
    """A layer, and the seconds that a training step of it took.

    Attributes
    ----------
    shape : LayerShape
        Width, batch and div_value.
    sizes, masses : tuple, J + 1 numbers each
        Words of each cluster, the head first, and the share of the batch's tokens that fell into it.
    seconds : float
        The median of several runs.
    spread : float
        The distance of their quartiles ÷ the median.
    """

    shape: LayerShape
    sizes: tuple[int, ...]
    masses: tuple[float, ...]
    seconds: float
    spread: float = 0.0


@dataclass(frozen=True)
class FitError:
    """How far predictions are from measurements, |predicted ÷ measured - 1|: of how many, and of the worst one."""

    steps: int
    median: float
    greatest: float
    worst: MeasuredStep
    predicted: float


def fit_cost_model(steps: Sequence[MeasuredStep], start: CostModel | None = None) -> CostModel:
    """Return the cost model that predicts these steps best.

    Parameters
    ----------
    steps : sequence of MeasuredStep
        At least 10, of layers that differ in batch, size and width.
    start : CostModel, optional
        Where the search begins, and whose name, device and dtype are kept. Default: two CPU cores.

    Raises
    ------
    InputError
        If there are too few steps, or a time is not positive.

    Examples
    --------
    >>> true = CostModel(overhead=1e-5, multiply_add=1e-11, softmax=1e-9, saturation=1e4, weight=1e-9)
    >>> layers = [(LayerShape(dim, batch), size) for dim in (2, 32, 512) for batch in (8, 256) for size in (99, 9999)]
    >>> steps = [
    ...     MeasuredStep(shape, (size,), (1.0,), float(cluster_costs(true, shape, [size], [1.0])[0]))
    ...     for shape, size in layers
    ... ]
    >>> fit_error(fit_cost_model(steps), steps).greatest < 1e-3
    True
    """
    if len(steps) < FEWEST:
        raise InputError(f"a cost model needs at least {FEWEST} measured steps, not {len(steps)}")
    taken = np.array([step.seconds for step in steps])
    if not (np.isfinite(taken) & (taken > 0)).all():
        raise InputError("measured times must be positive and finite")
    start = start or CostModel()
    shift = float(np.median(np.log(taken) - np.log(predicted(start, steps))))  # this device is so much slower

    def residuals(logs: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.log(predicted(_model(start, logs), steps)) - np.log(taken)

    fits = []
    for saturation in (1e2, 1e3, 1e4, 1e5, 1e6):
        first = np.log([max(getattr(start, name), 1e-15) for name in NUMBERS]) + shift
        first[NUMBERS.index("saturation")] = np.log(saturation)
        fits.append(least_squares(residuals, first, loss="soft_l1", f_scale=SOFT, x_scale=1.0, max_nfev=400))
    best = _model(start, min(fits, key=lambda fit: fit.cost).x)
    rounded: dict[str, Any] = {name: float(f"{getattr(best, name):.6g}") for name in NUMBERS}
    return dataclasses.replace(best, **rounded)


def predicted(model: CostModel, steps: Sequence[MeasuredStep]) -> npt.NDArray[np.float64]:
    """Return the seconds that a model gives these steps, (number of steps,)."""
    return np.array([cluster_costs(model, step.shape, step.sizes, step.masses).sum() for step in steps])


def fit_error(model: CostModel, steps: Sequence[MeasuredStep]) -> FitError:
    """Return how far a model is from measured steps, of which there is at least one."""
    seconds = predicted(model, steps)
    errors = np.abs(seconds / [step.seconds for step in steps] - 1)
    worst = int(errors.argmax())
    return FitError(len(steps), float(np.median(errors)), float(errors[worst]), steps[worst], float(seconds[worst]))


def _model(start: CostModel, logs: npt.NDArray[np.float64]) -> CostModel:
    numbers = np.exp(np.clip(logs, -80, 80)).tolist()
    return dataclasses.replace(start, **dict(zip(NUMBERS, numbers, strict=True)))
