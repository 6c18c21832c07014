"""Where state machines stand, and what survives a retry (spec automate 5.3): plain data that the ledger keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Position:
    """Where a machine stands: the state to run, when that was first entered (UTC text), how often it was retried.

    A blank state is that of a machine that has not begun, or is through.
    """

    state: str = ""
    started: str | None = None
    retries: int = 0


@dataclass(frozen=True, slots=True)
class Continuation:
    """What the next delivery goes on with: state variables, the outermost position, and each machine's own one.

    Machines are known by their object's full name, folded. ``finished`` are those beside the waiting one
    that came to their end before it: they do not run again.
    """

    variables: Mapping[str, Any] = field(default_factory=dict)
    position: Position = Position()
    machines: Mapping[str, Position] = field(default_factory=dict)
    finished: frozenset[str] = frozenset()

    def as_dict(self) -> dict[str, Any]:
        """The same as plain data."""
        return {
            "variables": dict(self.variables),
            "position": asdict(self.position),
            "machines": {name: asdict(position) for name, position in self.machines.items()},
            "finished": sorted(self.finished),
        }

    @classmethod
    def from_dict(cls, kept: Mapping[str, Any]) -> Continuation:
        """Read it back."""
        machines = {name: Position(**position) for name, position in kept["machines"].items()}
        return cls(kept["variables"], Position(**kept["position"]), machines, frozenset(kept["finished"]))
