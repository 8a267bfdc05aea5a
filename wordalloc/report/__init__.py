"""Pictures and pages of what was computed and measured. Needs the extra ``report``: pip install 'wordalloc[report]'.

The names below are loaded when they are first used: what prepares the figures needs no plotting library.
"""

from __future__ import annotations

import importlib

TYPE_CHECKING = False

if TYPE_CHECKING:
    from wordalloc.report._paper import check_picture
    from wordalloc.report.comparison import perplexity_over_parameters, perplexity_over_time
    from wordalloc.report.pictures import (
        classes_picture,
        frontier_picture,
        table_picture,
        training_picture,
        tree_picture,
        zipf_picture,
    )

_HOMES = {
    "check_picture": "wordalloc.report._paper",
    "perplexity_over_parameters": "wordalloc.report.comparison",
    "perplexity_over_time": "wordalloc.report.comparison",
    **{
        f"{what}_picture": "wordalloc.report.pictures"
        for what in ("classes", "frontier", "table", "training", "tree", "zipf")
    },
}

__all__ = [
    "check_picture",
    "classes_picture",
    "frontier_picture",
    "perplexity_over_parameters",
    "perplexity_over_time",
    "table_picture",
    "training_picture",
    "tree_picture",
    "zipf_picture",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(importlib.import_module(_HOMES[name]), name)
    except ModuleNotFoundError as error:
        from wordalloc.errors import InputError

        library = (error.name or "").partition(".")[0]
        raise InputError(f"pictures need {library}: pip install 'wordalloc[report]'") from error
