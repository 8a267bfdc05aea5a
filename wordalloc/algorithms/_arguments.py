"""Checks of the numbers that callers pass: each returns a plain Python number or says what was expected."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any

import numpy as np

from wordalloc.errors import InputError


def whole_number(name: str, value: Any, least: int, most: int | None = None) -> int:
    """Return `value` as an int from `least` to `most`."""
    is_whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if is_whole and value >= least and (most is None or value <= most):
        return int(value)
    span = f"of at least {least}" if most is None else f"from {least} to {most}"
    raise InputError(f"{name} must be a whole number {span}, not {shown(value)}")


def real_number(name: str, value: Any, least: float, most: float = math.inf) -> float:
    """Return `value` as a finite float from `least` to `most`."""
    if isinstance(value, Real) and not isinstance(value, bool):
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if math.isfinite(number) and least <= number <= most:
            return number
    span = f"of at least {least:g}" if most == math.inf else f"from {least:g} to {most:g}"
    raise InputError(f"{name} must be a finite number {span}, not {shown(value)}")


def shown(value: Any) -> str:
    """Return a value as an error message shows it: a hostile one can have any length."""
    try:
        text = repr(value)
    except ValueError:  # Python refuses to print whole numbers of thousands of digits
        return "a number of thousands of digits"
    return text if len(text) <= 60 else f"{text[:57]}..."
