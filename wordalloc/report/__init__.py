"""Pictures of what was measured. Needs the extra ``report``: pip install 'wordalloc[report]'."""

from __future__ import annotations

try:
    import matplotlib  # noqa: F401
except ImportError as error:
    from wordalloc.errors import InputError

    raise InputError("pictures need matplotlib: pip install 'wordalloc[report]'") from error

from wordalloc.report.comparison import perplexity_over_parameters, perplexity_over_time

__all__ = ["perplexity_over_parameters", "perplexity_over_time"]
