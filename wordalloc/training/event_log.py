"""The figures of a run as TensorBoard reads them: ``tensorboard --logdir RUN``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from wordalloc.errors import InputError


class EventLog:
    """A run's figures in a folder of event files.

    A run that is taken up again begins a new file there, which takes the place of what came after its checkpoint.

    Parameters
    ----------
    folder : Path
        Where the files lie; nothing is made before `begin`.

    Raises
    ------
    InputError
        If TensorBoard is not installed.
    """

    def __init__(self, folder: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise InputError("event files need TensorBoard: pip install 'wordalloc[tensorboard]'") from error
        self._make: Callable[..., Any] = SummaryWriter
        self._folder = folder

    def begin(self, step: int) -> None:
        """Begin a file; the run stands at `step`."""
        self._writer = self._make(str(self._folder), purge_step=step + 1)

    def add(self, entry: dict[str, Any], **more: float) -> None:
        """Add the figures of a line of metrics under the step that it names."""
        for name, value in {**entry, **more}.items():
            if name != "step" and isinstance(value, int | float) and not isinstance(value, bool):
                self._writer.add_scalar(name, value, entry["step"])

    def close(self) -> None:
        """Write what is not written yet."""
        self._writer.close()
