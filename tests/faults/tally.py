"""The tally: how many faults were done, and everything that went wrong under them."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Tally:
    """Faults done and what they broke; every entry of the lists is one line saying where.

    ``lost`` holds whatever stood before and no longer stands, and every result that came out
    other than in an unbroken run; ``tracebacks`` whatever ended in anything but success or one
    clear line with exit status 1 or 2; ``hangs`` whatever outlived its time limit. ``too_early`` says how many of
    the kills met Python's own start, before our ``main``, so that nothing was asked of the command's end;
    ``left_out`` how many faults of disks this machine does not let anybody do.
    """

    kills: int = 0
    hostile_files: int = 0
    lost: list[str] = field(default_factory=list)
    tracebacks: list[str] = field(default_factory=list)
    hangs: list[str] = field(default_factory=list)
    too_early: int = 0
    disk_faults: int = 0
    left_out: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.kills + other.kills,
            self.hostile_files + other.hostile_files,
            self.lost + other.lost,
            self.tracebacks + other.tracebacks,
            self.hangs + other.hangs,
            self.too_early + other.too_early,
            self.disk_faults + other.disk_faults,
            self.left_out + other.left_out,
        )

    @property
    def sound(self) -> bool:
        """Whether nothing was lost, no traceback was seen and nothing hung."""
        return not self.problems

    @property
    def problems(self) -> list[str]:
        """Everything that went wrong."""
        return [*self.lost, *self.tracebacks, *self.hangs]

    def __str__(self) -> str:
        return (
            f"{self.kills} kills, {self.hostile_files} hostile files, {len(self.lost)} lost, "
            f"{len(self.tracebacks)} tracebacks, {len(self.hangs)} hangs, {self.too_early} of the kills before main, "
            f"{self.disk_faults} disk faults, {self.left_out} left out"
        )
