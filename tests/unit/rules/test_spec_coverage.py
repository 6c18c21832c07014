"""Every numbered check of spec orchestrate 15 about facts and rule events has a test with its number, or a reason."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]

#: Checks of facts, rule events, notifications, built-in events and XML: those of schedules and jobs stand elsewhere.
MINE = (*range(1, 76), *range(100, 106))
#: Checks without a test, each with the reason.
WITHOUT = {74: "external events are declared by triggers: they belong to the scheduler"}


def _with_a_test() -> set[int]:
    found: set[int] = set()
    for path in (ROOT / "tests").rglob("*.py"):
        for named in re.findall(r"def test_orchestrate_((?:\d+_(?:and_)?)+)", path.read_text(encoding="utf-8")):
            found.update(int(number) for number in re.findall(r"\d+", named))
    return found


def test_every_numbered_check_has_a_test_or_a_reason() -> None:
    assert [n for n in MINE if n not in _with_a_test() and n not in WITHOUT] == []
    assert sorted(_with_a_test() & WITHOUT.keys()) == []
