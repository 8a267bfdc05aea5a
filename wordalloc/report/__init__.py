"""Pictures and pages of what was computed and measured. Needs the extra ``report``: pip install 'wordalloc[report]'.

The names below are loaded when they are first used: what prepares the figures needs no plotting library.
"""

from __future__ import annotations

import importlib

TYPE_CHECKING = False

if TYPE_CHECKING:
    from wordalloc.report.comparison import perplexity_over_parameters, perplexity_over_time

_HOMES = {
    "perplexity_over_parameters": "wordalloc.report.comparison",
    "perplexity_over_time": "wordalloc.report.comparison",
}

__all__ = ["perplexity_over_parameters", "perplexity_over_time"]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(importlib.import_module(_HOMES[name]), name)
    except ModuleNotFoundError as error:
        from wordalloc.errors import InputError

        library = (error.name or "").partition(".")[0]
        raise InputError(f"pictures need {library}: pip install 'wordalloc[report]'") from error
