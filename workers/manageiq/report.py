"""What became of an export, item by item."""

from __future__ import annotations

from dataclasses import dataclass, field

TAKEN, CHANGED, LEFT_OUT = "taken over", "changed", "left out"

#: Where something stands in an export: policy, condition, action, event, and places in an expression.
Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Told:
    """One line: what became of the item at a path, and how or why."""

    verdict: str
    path: Path
    text: str


@dataclass(slots=True)
class Report:
    """All lines, in the order of the export."""

    lines: list[Told] = field(default_factory=list)

    def taken(self, path: Path, text: str) -> None:
        """Note what was taken over as it was."""
        self._tell(TAKEN, path, text)

    def changed(self, path: Path, text: str) -> None:
        """Note what is not as it was in ManageIQ."""
        self._tell(CHANGED, path, text)

    def left_out(self, path: Path, text: str) -> None:
        """Note what could not be taken over."""
        self._tell(LEFT_OUT, path, text)

    def complete(self) -> bool:
        """Whether nothing was left out."""
        return all(told.verdict != LEFT_OUT for told in self.lines)

    def _tell(self, verdict: str, path: Path, text: str) -> None:
        told = Told(verdict, path, text)
        if told not in self.lines[-200:]:
            self.lines.append(told)
