"""Every numbered check of spec orchestrate 15 has a test with its number."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]

CHECKS = range(1, 106)


def _with_a_test() -> set[int]:
    found: set[int] = set()
    for path in (ROOT / "tests").rglob("*.py"):
        for named in re.findall(r"def test_orchestrate_((?:\d+_(?:and_)?)+)", path.read_text(encoding="utf-8")):
            found.update(int(number) for number in re.findall(r"\d+", named))
    return found


def test_every_numbered_check_has_a_test() -> None:
    assert [n for n in CHECKS if n not in _with_a_test()] == []
