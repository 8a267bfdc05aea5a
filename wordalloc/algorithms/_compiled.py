"""numba's compiler, with its cache among ours. Import `njit` from here, never from numba itself."""

from __future__ import annotations

import os

from wordalloc.files import cache_directory

# numba reads the variable when it is first imported; where somebody was faster, its configuration is set.
_CACHE = str(cache_directory("numba"))
os.environ.setdefault("NUMBA_CACHE_DIR", _CACHE)

import numba  # noqa: E402

if not numba.config.CACHE_DIR:
    numba.config.CACHE_DIR = _CACHE

njit = numba.njit
