"""Whether this process is one of several that train one model: needs no torch, so that the command line may ask."""

from __future__ import annotations

import os

ENVIRONMENT = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")  # what torchrun tells each of its processes
GRACE = 0.5  # seconds for the process that says what went wrong, before torchrun ends it because of another's end


def is_one_of_several() -> bool:
    """Tell whether torchrun started this process beside others."""
    return os.environ.get("WORLD_SIZE") != "1" and all(os.environ.get(name) for name in ENVIRONMENT)
