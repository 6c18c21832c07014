"""Every numbered check of spec automate 8 has a test with its number, or a reason here why it has none."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
SPEC = ROOT / "../shared/spec/automate.md"

pytestmark = pytest.mark.skipif(not SPEC.is_file(), reason="the spec beside the repository is absent")

_FOLDER = "a site's folder is the datastore: nothing is imported into a database, and what is edited is a file"
#: Checks without a test, each with the reason.
WITHOUT = {
    "A27": "domains belong to the installation and not to tenants",
    "E21": "Python modules import what they share; bodies in other languages are not run",
    "E22": "no method runs in a process of its own",
    "G25": "there are no guarded operations yet that a policy could prevent",
    "G28": "there are no guarded operations yet: a name that nobody defined has its alerts asked (G21)",
    "G29": "a message is known by its id, and its twin by what both say: tests/integration/test_ingest.py",
    "G30": "OpenStack and oVirt have no task chains whose last event stands for the whole",
    "H02": _FOLDER,
    "H03": _FOLDER,
    "H04": _FOLDER,
    "H05": "a site is taken over as a whole or not at all: tests/unit/site",
    "H06": _FOLDER,
    "H08": _FOLDER,
    "H09": "a site may be a git work tree; Catchment reads its files",
    "H10": _FOLDER,
}


def numbers() -> list[str]:
    text = SPEC.read_text(encoding="utf-8")
    section = text[text.index("## 8. Conformance") : text.index("## 9. Notes")]
    return re.findall(r"^- \*\*([A-H][0-9]{2})\*\*", section, re.MULTILINE)


def _with_a_test() -> set[str]:
    """Numbers in names of tests, in ids of their cases, and in the corpus, whose checks are cases of one test."""
    found: set[str] = set()
    for path in (ROOT / "tests").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        for name in re.findall(r"def (test_\w+)", text):
            found.update(re.findall(r"(?:^|_)([A-H][0-9]{2})(?=_|$)", name))
        found.update(re.findall(r"\(\s*\"([A-H][0-9]{2})[\" ]", text))
    corpus = (ROOT / "../shared/corpus/automate/checks.json").read_text(encoding="utf-8")
    return found | set(re.findall(r'"id": "([A-H][0-9]{2})"', corpus))


def test_every_numbered_check_has_a_test_or_a_reason() -> None:
    assert len(numbers()) > 200
    assert [n for n in numbers() if n not in _with_a_test() and n not in WITHOUT] == []
    assert sorted(_with_a_test() & WITHOUT.keys()) == []
