r"""The time of one training step of an adaptive softmax, from the shapes of its matrix products.

Grave, Joulin, Cissé, Grangier & Jégou (2017), "Efficient softmax approximation for GPUs", section 4: the product
of a (B × d) by a (d × k) matrix takes

.. math:: g(k, B) = \max(c + \lambda k_0 B_0,\; c + \lambda k B)

seconds: below k₀B₀ outputs the device is not saturated and the time stays flat. λ is the time of one output: d
multiply-adds, and where a softmax follows its passes over that logit, which cost the same however small d is and
are most of the time of a narrow cluster. A layer with cutoffs c₁ < … < c_J of V words, batch B and width d costs

* the head: a product of B × d by d × (c₁ + J), with softmax, for every token;
* tail cluster i, of width dᵢ = max(1, ⌊d / div_valueⁱ⌋), size k and mass m (share of the tokens):
  the projection of its B·m expected tokens, B·m × d by d × dᵢ, and their output, B·m × dᵢ by dᵢ × k, with softmax;
* for every weight of these matrices, `weight` seconds a step for its gradient and its optimiser's state, which
  must pass through memory whether or not a token fell into the cluster.

So the cost of a tail cluster is f(m·k) + g(m) + h(k) with f, g, h convex and non-decreasing. Such a cost obeys the
quadrangle inequality (the proof is in `wordalloc.algorithms.monge`), on which the exact optimum in
`wordalloc.algorithms.adaptive_cutoffs` rests. Everything that predicts a time takes it from this file.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from wordalloc.algorithms._arguments import real_number, shown, whole_number
from wordalloc.algorithms.monge import band_cost
from wordalloc.errors import InputError

MAX_NUMBER = 1e100  # of a profile: beyond any device, and no sum or product of it overflows
TEXTS = ("name", "device", "dtype")
MAX_WIDTH = 2**31 - 1  # of dim and batch: what a tensor's axis is in practice


@dataclass(frozen=True)
class CostModel:
    """What a device takes for matrix products: the profile of section 4 of Grave et al. (2017).

    All times are those of the forward and the backward pass together.

    Attributes
    ----------
    overhead : float
        c, seconds: what every product takes at least.
    multiply_add : float
        Seconds for one multiply-add of a product.
    softmax : float
        Seconds for the softmax's passes over one logit.
    saturation : float
        k₀B₀: with fewer outputs (rows times columns) than this a product takes no less time.
    weight : float
        Seconds a step for one weight: its gradient and its optimiser's state.
    name, device, dtype : str
        What was measured, as people and as torch call it. The device is empty where it is not known.

    Raises
    ------
    InputError
        If a number is not from 0 to 1e100, `multiply_add` is zero, or a text is none.

    Notes
    -----
    The default is what ``wordalloc calibrate`` finds on two cores of a server CPU in single precision, each number
    rounded to one digit: the optimum depends on their ratios alone and changes little with them.

    Examples
    --------
    >>> model = CostModel(overhead=1, multiply_add=0.5, softmax=2, saturation=10, weight=0, name="by hand")
    >>> float(model.product(rows=2, width=3, columns=4))  # 8 outputs are fewer than 10: 1 + 0.5 · 3 · 10
    16.0
    >>> float(model.product(rows=5, width=3, columns=4, softmax=True))  # 1 + (0.5 · 3 + 2) · 20
    71.0
    """

    overhead: float = 5e-4
    multiply_add: float = 3e-11
    softmax: float = 2e-9
    saturation: float = 2e4
    weight: float = 3e-9
    name: str = "two CPU cores, float32"
    device: str = "cpu"
    dtype: str = "float32"

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in TEXTS:
                if not isinstance(value, str):
                    raise InputError(f"the profile's {field.name} must be a text, not {shown(value)}")
            else:
                object.__setattr__(self, field.name, real_number(f"the profile's {field.name}", value, 0, MAX_NUMBER))
        if self.multiply_add == 0:
            raise InputError("the profile's multiply_add must be positive: products that take no time have no optimum")

    @classmethod
    def from_json(cls, content: Any) -> CostModel:
        """Make a profile from a JSON object that holds every number; its texts may be left out.

        Raises
        ------
        InputError
            If it is not an object, lacks a number, names an unknown key, or holds an impossible number.
        """
        known = [field.name for field in fields(cls)]
        if not isinstance(content, Mapping):
            raise InputError(f"a profile is a JSON object with the keys {', '.join(known)}")
        for key in content:
            if key not in known:
                raise InputError(f"unknown key {shown(key)} in the profile; its keys are {', '.join(known)}")
        for key in known:
            if key not in TEXTS and key not in content:
                raise InputError(f"the profile lacks {key!r}; its keys are {', '.join(known)}")
        return cls(**{**dict.fromkeys(TEXTS, ""), **content})

    def to_json(self) -> dict[str, Any]:
        """Return the profile as a JSON object."""
        return asdict(self)

    def output_time(self, width: float, softmax: bool) -> float:
        """Return λ, the seconds of one output of a product over `width` terms, with or without a softmax after it."""
        return self.multiply_add * width + self.softmax * softmax

    def product(self, rows: Any, width: float, columns: Any, softmax: bool = False) -> Any:
        """Return g: the seconds of a (rows × width) · (width × columns) product, without its weights' share."""
        return self.overhead + self.output_time(width, softmax) * np.maximum(self.saturation, rows * columns)


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

    Raises
    ------
    InputError
        If `dim` or `batch` is not from 1 to 2³¹ - 1, or `div_value` is not a number of at least 1.

    Examples
    --------
    >>> [LayerShape(dim=512, div_value=4).width(cluster) for cluster in range(7)]
    [512, 128, 32, 8, 2, 1, 1]
    """

    dim: int = 512
    batch: int = 4096
    div_value: float = 4.0

    def __post_init__(self) -> None:
        for name in ("dim", "batch"):
            object.__setattr__(self, name, whole_number(name, getattr(self, name), 1, MAX_WIDTH))
        object.__setattr__(self, "div_value", real_number("div_value", self.div_value, 1))

    def width(self, cluster: int) -> int:
        """Return the width of tail cluster `cluster`, counted from 1; the head, 0, has width d."""
        if cluster * math.log(self.div_value) > math.log(self.dim) + 1:  # below 1; the power might overflow
            return 1
        return max(1, int(self.dim // self.div_value**cluster))


def head_cost(model: CostModel, shape: LayerShape, size: npt.ArrayLike, n_clusters: int) -> Any:
    """Return the seconds of the head: `size` words (a number or an array) and one entry for each tail cluster."""
    columns = np.asarray(size, dtype=np.float64) + n_clusters
    return model.product(shape.batch, shape.dim, columns, softmax=True) + model.weight * shape.dim * columns


def tail_coefficients(model: CostModel, shape: LayerShape, cluster: int) -> npt.NDArray[np.float64]:
    """Return the numbers with which `wordalloc.algorithms.monge.band_cost` is tail cluster `cluster`'s seconds.

    The cluster is counted from 1; mass is its share of the tokens. f is the product over its words, g the
    projection (both with their saturation), h the weights of its words; the constant holds what every step pays.
    """
    width = shape.width(cluster)
    output, projection = model.output_time(width, True), model.output_time(shape.dim, False)
    constant = 2 * model.overhead + model.weight * shape.dim * width
    f = output * model.saturation, output * shape.batch
    g = projection * model.saturation, projection * shape.batch * width
    return np.array([constant, *f, *g, model.weight * width])


def cluster_costs(
    model: CostModel, shape: LayerShape, sizes: npt.ArrayLike, masses: npt.ArrayLike
) -> npt.NDArray[np.float64]:
    """Return the expected seconds a step of each cluster of a layer, the head first: shape (J + 1,).

    Parameters
    ----------
    model : CostModel
        The device.
    shape : LayerShape
        The layer.
    sizes, masses : array_like, shape (J + 1,)
        Words in each cluster, and the share of tokens that fall into it.

    Examples
    --------
    >>> model = CostModel(overhead=1, multiply_add=1, softmax=0, saturation=0, weight=0)
    >>> shape = LayerShape(dim=4, batch=10, div_value=4)
    >>> cluster_costs(model, shape, sizes=[3, 20], masses=[0.9, 0.1]).tolist()
    [161.0, 26.0]

    The head: 1 + 4·10·(3 + 1). The tail, one expected token of width 1: (1 + 4·1·1) + (1 + 1·1·20).
    """
    sizes, masses = np.asarray(sizes, dtype=np.float64), np.asarray(masses, dtype=np.float64)
    n_clusters = len(sizes) - 1
    tails = [band_cost(tail_coefficients(model, shape, i), masses[i], sizes[i]) for i in range(1, n_clusters + 1)]
    return np.array([head_cost(model, shape, sizes[0], n_clusters), *tails])


def full_cost(model: CostModel, shape: LayerShape, vocab_size: int) -> float:
    """Return the seconds a step of a full softmax over `vocab_size` words: a head without tails."""
    return float(head_cost(model, shape, vocab_size, 0))


def class_cost(model: CostModel, shape: LayerShape, sizes: npt.ArrayLike, masses: npt.ArrayLike) -> float:
    """Return the expected seconds a step of a two-level softmax, for a batch that saturates the device.

    One product for the classes; one, of the tokens grouped by class, for the words.

    Parameters
    ----------
    model : CostModel
        The device.
    shape : LayerShape
        The layer.
    sizes, masses : array_like, shape (K,)
        Words in each class, and the share of tokens that fall into it.

    Examples
    --------
    >>> model = CostModel(overhead=1, multiply_add=1, softmax=0, saturation=0, weight=0)
    >>> class_cost(model, LayerShape(dim=2, batch=10), sizes=[3, 20], masses=[0.9, 0.1])  # 2 + 2 · 10 · (2 + 4.7)
    136.0
    """
    sizes, masses = np.asarray(sizes, dtype=np.float64), np.asarray(masses, dtype=np.float64)
    outputs = shape.batch * (sizes.size + float((sizes * masses).sum()))
    weights = shape.dim * (sizes.sum() + sizes.size)
    return float(2 * model.overhead + model.output_time(shape.dim, True) * outputs + model.weight * weights)


def tree_cost(model: CostModel, shape: LayerShape, mean_outputs: float, n_outputs: int) -> float:
    """Return the expected seconds a step of a hierarchical softmax, for a batch that saturates the device.

    Parameters
    ----------
    model : CostModel
        The device.
    shape : LayerShape
        The layer.
    mean_outputs : float
        Scores computed for a token: one for a binary node on its path, m for a node of m > 2 children.
    n_outputs : int
        Rows of weights in the layer.

    Examples
    --------
    >>> model = CostModel(overhead=1, multiply_add=1, softmax=0, saturation=0, weight=0)
    >>> tree_cost(model, LayerShape(dim=2, batch=10), mean_outputs=3.5, n_outputs=7)  # 1 + 2 · 10 · 3.5
    71.0
    """
    time = model.output_time(shape.dim, True) * shape.batch * mean_outputs
    return model.overhead + time + model.weight * shape.dim * n_outputs
