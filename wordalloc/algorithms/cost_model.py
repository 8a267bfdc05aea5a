r"""The time of one training step of an adaptive softmax, from the shapes of its matrix products.

Grave, Joulin, Cissé, Grangier & Jégou (2017), "Efficient softmax approximation for GPUs", section 4: the product
of a (B × d) by a (d × k) matrix takes

.. math:: g(k, B) = \max(c + \lambda k_0 B_0,\; c + \lambda k B)

seconds: below k₀B₀ the device is not saturated and the time stays flat. λ grows with d, so it is written here as
``multiply_add`` · d. A layer with bounds 0 < c₁ < … < c_J < V, batch B and width d costs

* the head: a product of B × d by d × (c₁ + J), for every token;
* tail cluster i, of width dᵢ = max(1, ⌊d / div_valueⁱ⌋), size k and mass m (share of the tokens):
  the projection of its B·m expected tokens, B·m × d by d × dᵢ, and their output, B·m × dᵢ by dᵢ × k;
* for every weight of these matrices, ``weight`` seconds a step for its gradient and its optimiser's state, which
  must pass through memory whether or not a token fell into the cluster.

So the cost of a tail cluster is f(m·k) + g(m) + h(k) with f, g, h convex and non-decreasing. Such a cost obeys the
quadrangle inequality w(a, c) + w(b, d) ≤ w(a, d) + w(b, c) for a ≤ b ≤ c ≤ d: mass and size are additive over
adjacent bands, so m·k obeys it and grows with the band; a convex, non-decreasing function of such a quantity obeys
it; and so do sums. `wordalloc.algorithms.adaptive_cutoffs` rests on that.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from wordalloc.errors import InputError


@dataclass(frozen=True)
class CostModel:
    """What a device takes for matrix products: the profile of section 4 of Grave et al. (2017).

    Attributes
    ----------
    overhead : float
        c, seconds: what every product takes at least, forward and backward.
    multiply_add : float
        λ / d, seconds for one multiply-add, forward and backward with the softmax.
    saturation : float
        k₀B₀: below this number of outputs (rows times columns) a product takes no less time.
    weight : float
        Seconds a step for one weight: its gradient and its optimiser's state.
    name : str
        What was measured.

    Raises
    ------
    InputError
        If a number is negative or not finite, or `multiply_add` is zero.

    Notes
    -----
    The default describes two cores of a server CPU in single precision: one product of 4096 × 512 × 30,000 and
    its backward pass, AdamW's pass over the weights, and small products, each timed and rounded to one digit.
    The optimum depends on the ratios alone and changes little with them.

    Examples
    --------
    >>> model = CostModel(overhead=1.0, multiply_add=0.5, saturation=10.0, weight=0.0, name="by hand")
    >>> model.product(k=4, batch=2, width=3)  # 4 · 2 < 10: not saturated, 1 + 0.5 · 3 · 10
    16.0
    >>> model.product(k=4, batch=5, width=3)  # 1 + 0.5 · 3 · 20
    31.0
    """

    overhead: float = 5e-5
    multiply_add: float = 4e-11
    saturation: float = 2e3
    weight: float = 4e-9
    name: str = "two CPU cores, float32"

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name == "name":
                if not isinstance(value, str):
                    raise InputError(f"the profile's name must be a text, not {value!r}")
            elif isinstance(value, bool) or not isinstance(value, int | float):
                raise InputError(f"the profile's {field.name} must be a number, not {value!r}")
            elif not (math.isfinite(value) and value >= 0):
                raise InputError(f"the profile's {field.name} must be finite and not negative, not {value!r}")
        if self.multiply_add == 0:
            raise InputError("the profile's multiply_add must be positive: a product of no cost has no optimum")

    @classmethod
    def from_json(cls, content: Any) -> CostModel:
        """Make a profile from a JSON object; keys that are left out take the default's values.

        Raises
        ------
        InputError
            If it is not an object, names an unknown key, or holds an impossible number.
        """
        known = [field.name for field in fields(cls)]
        if not isinstance(content, Mapping):
            raise InputError(f"a profile is a JSON object with the keys {', '.join(known)}")
        unknown = sorted(set(content) - set(known))
        if unknown:
            raise InputError(f"unknown key {unknown[0]!r} in the profile; it may have {', '.join(known)}")
        if "multiply_add" not in content:
            raise InputError("the profile lacks 'multiply_add', seconds for one multiply-add")
        return cls(**content)

    def to_json(self) -> dict[str, Any]:
        """Return the profile as a JSON object."""
        return asdict(self)

    def product(self, k: float, batch: float, width: float) -> float:
        """Return the seconds of a (batch × width) · (width × k) product, without its weights' share."""
        return self.overhead + self.multiply_add * width * max(self.saturation, k * batch)


@dataclass(frozen=True)
class LayerShape:
    """What an adaptive softmax's cost depends on besides its cutoffs.

    Attributes
    ----------
    dim : int
        d, the width of the hidden state.
    batch : int
        B, tokens in a step.
    div_value : float
        Tail cluster i has width max(1, ⌊d / div_valueⁱ⌋).
    """

    dim: int = 512
    batch: int = 4096
    div_value: float = 4.0

    def __post_init__(self) -> None:
        for name in ("dim", "batch"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
                raise InputError(f"{name} must be a positive whole number, not {value!r}")
        if not (isinstance(self.div_value, int | float) and math.isfinite(self.div_value) and self.div_value >= 1):
            raise InputError(f"div_value must be a number of at least 1, not {self.div_value!r}")

    def width(self, cluster: int) -> int:
        """Return the width of tail cluster `cluster`, counted from 1; the head, 0, has width d."""
        return max(1, int(self.dim // self.div_value**cluster))


def head_cost(model: CostModel, shape: LayerShape, size: npt.ArrayLike, n_clusters: int) -> npt.NDArray[np.float64]:
    """Return the seconds of the head: `size` words and one entry for each of the tail clusters."""
    columns = np.asarray(size, dtype=np.float64) + n_clusters
    product = model.overhead + model.multiply_add * shape.dim * np.maximum(model.saturation, shape.batch * columns)
    return product + model.weight * shape.dim * columns


def tail_coefficients(model: CostModel, shape: LayerShape, cluster: int) -> npt.NDArray[np.float64]:
    """Return (constant, f₀, f₁, g₀, g₁, h₁) of tail cluster `cluster`, counted from 1.

    Its cost at mass m and size k is constant + max(f₀, f₁·m·k) + max(g₀, g₁·m) + h₁·k: this is the one place
    where the model becomes the f, g and h of the module's text.
    """
    width = shape.width(cluster)
    rate = model.multiply_add
    return np.array(
        [
            2 * model.overhead + model.weight * shape.dim * width,
            rate * width * model.saturation,
            rate * width * shape.batch,
            rate * shape.dim * model.saturation,
            rate * shape.dim * shape.batch * width,
            model.weight * width,
        ]
    )


def tail_cost(coefficients: npt.NDArray[np.float64], mass: npt.ArrayLike, size: npt.ArrayLike) -> Any:
    """Return the seconds of a tail cluster of the given mass and size."""
    constant, f0, f1, g0, g1, h1 = coefficients
    mass, size = np.asarray(mass, dtype=np.float64), np.asarray(size, dtype=np.float64)
    return constant + np.maximum(f0, f1 * (mass * size)) + np.maximum(g0, g1 * mass) + h1 * size


def cluster_costs(
    model: CostModel, shape: LayerShape, sizes: npt.ArrayLike, masses: npt.ArrayLike
) -> npt.NDArray[np.float64]:
    """Return the expected seconds of each cluster of a layer, the head first: shape (J + 1,).

    Parameters
    ----------
    model, shape : CostModel, LayerShape
        The device and the layer.
    sizes, masses : array_like, shape (J + 1,)
        Words in each cluster, and the share of tokens that fall into it.

    Examples
    --------
    >>> model = CostModel(overhead=1.0, multiply_add=1.0, saturation=0.0, weight=0.0)
    >>> shape = LayerShape(dim=4, batch=10, div_value=4)
    >>> cluster_costs(model, shape, sizes=[3, 20], masses=[0.9, 0.1]).tolist()
    [161.0, 26.0]

    The head: 1 + 4·10·(3 + 1). The tail, one expected token of width 1: (1 + 4·1·1) + (1 + 1·1·20).
    """
    sizes, masses = np.asarray(sizes, dtype=np.float64), np.asarray(masses, dtype=np.float64)
    n_clusters = len(sizes) - 1
    tails = [
        float(tail_cost(tail_coefficients(model, shape, i), masses[i], sizes[i])) for i in range(1, n_clusters + 1)
    ]
    return np.array([float(head_cost(model, shape, sizes[0], n_clusters)), *tails])


def full_cost(model: CostModel, shape: LayerShape, vocab_size: int) -> float:
    """Return the seconds of a full softmax over `vocab_size` words: a head without tails."""
    return float(head_cost(model, shape, vocab_size, 0))
