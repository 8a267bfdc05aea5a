"""numba's compiler, with its cache among ours. Import `njit` from here, never from numba itself."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import numba
from numba.core.caching import FunctionCache

from wordalloc.files import cache_directory

_CACHE = str(cache_directory("numba"))
_config: Any = numba.config


class _Cache(FunctionCache):
    """numba's cache of a function, but one that merely saves time: a full disk or a folder gone stops no work."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        with contextlib.suppress(OSError):
            return super().load_overload(sig, target_context)
        return None

    def save_overload(self, sig: Any, data: Any) -> None:
        with contextlib.suppress(OSError):
            super().save_overload(sig, data)


def njit(function: Callable[..., Any], *, fast: bool = False) -> Any:
    """Compile `function` when it is first called, without the interpreter lock, and keep the result on disk.

    `fast` lets a loop over floats be vectorised: sums may be reordered, nan and infinity are not expected.

    numba looks a function's cache up when it is decorated, so its setting is lent for that moment only: what
    else runs in this process keeps its own. A compiled function may call only others of its own file, because
    numba sees no change of another file and would run what it cached before.
    """
    before = _config.CACHE_DIR
    _config.CACHE_DIR = _CACHE
    try:
        # numba's own rule that a division by zero raises would keep loops from being vectorised.
        # Inlined everywhere: of a function that stands by itself and inside its caller, compiled apart and so rounded
        # differently, a process that compiles would run one, and a process that finds them compiled the other.
        compiled: Any = numba.njit(nogil=True, fastmath=fast, error_model="numpy", forceinline=True)(function)
        if not _config.DISABLE_JIT:
            compiled._cache = _Cache(function)
        return compiled
    finally:
        _config.CACHE_DIR = before
