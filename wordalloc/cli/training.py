"""``wordalloc train`` and ``wordalloc evaluate``: a language model with the layer an allocation asks for."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import click

from wordalloc.cli.render import emit_json, json_option, percent, print_table
from wordalloc.cli.sources import TEXT_OPTIONS

if TYPE_CHECKING:
    from wordalloc.training import TrainProgress, TrainResult
