"""Weights that move between this package's layers and others', bit for bit."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from wordalloc.errors import InputError


def copied(weight: Tensor) -> nn.Parameter:
    """Return a parameter of its own memory with the same values, dtype, device and ``requires_grad``."""
    return nn.Parameter(weight.detach().clone(), requires_grad=weight.requires_grad)


def check_shapes(own: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> None:
    """Refuse weights that have other names or shapes than a layer's own, and name the first that differs.

    Examples
    --------
    >>> import torch
    >>> check_shapes({"head.weight": torch.zeros(3, 8)}, {"head.weight": torch.zeros(4, 8)})
    Traceback (most recent call last):
    wordalloc.errors.InputError: the weights are another layer's: head.weight is (4, 8), expected (3, 8)
    """
    for name in (*own, *given):
        there, here = (tuple(weights[name].shape) if name in weights else "absent" for weights in (given, own))
        if there != here:
            raise InputError(f"the weights are another layer's: {name} is {there}, expected {here}")
