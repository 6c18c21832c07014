"""Every numbered check of spec policy-alerts 8 has a test with its number, or a reason here why it has none."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
SPEC = ROOT / "../shared/spec/policy-alerts.md"

pytestmark = pytest.mark.skipif(not SPEC.is_file(), reason="the spec beside the repository is absent")

_FILES = "rules are files of the site: there is no database of them to copy, synchronise or delete from"
_RETIREMENT = "nothing is retired here yet, and no rule is built in: all of them stand in the site"
_UNDEFINED = "an event of a name that nobody defined is kept and alerts are asked: G21 of spec automate"
_BELL = "there are no notifications to a user's bell"
_OUTSIDE = "Prometheus sends no alerts here yet; they would come as pushed events"
#: Checks without a test, each with the reason.
WITHOUT = {
    3: _UNDEFINED,
    4: _UNDEFINED,
    6: "there are no scan jobs",
    10: "an object's tags are its own: those of its host, cluster or datastore are not told to it",
    18: "a policy is known by its name, which may not be empty; its description may",
    21: _FILES,
    22: _FILES,
    27: _RETIREMENT,
    34: _RETIREMENT,
    59: "actions are never run by whoever decides: all are effects, and synchronous ones are waited for",
    60: _RETIREMENT,
    63: "images are not analysed",
    65: "actions are a table in code and entry points; scripts are named by their files",
    66: "nothing changes the memory of a server",
    67: "a mail says what its rule or its template says; there is no notifier role that could be missing",
    68: "playbooks are run by scripts or by jobs of the site",
    69: _FILES,
    71: "an alert names its events itself, whatever its kind",
    75: _OUTSIDE,
    78: "metrics are told to Catchment, which captures none",
    81: _OUTSIDE,
    86: _BELL,
    87: _BELL,
    93: "approval and status are shown side by side",
    95: "an engine error ends the delivery with its reason: G19 of spec automate",
    98: "requesters are names: there is no user that could be deleted",
    99: "the ledger keeps decisions and deliveries; there is no second log",
    102: "requesters are names; naming another one takes the role admin (check 111)",
    103: "there are no zones: any worker takes a delivery",
    105: "a request of a schedule is opened like any other, with its own address",
    109: "a veto keeps the task from being made: G26 of spec automate",
}


def numbers() -> list[int]:
    text = SPEC.read_text(encoding="utf-8")
    section = text[text.index("## 8. Conformance") : text.index("## 9. Weaknesses")]
    return [int(number) for number in re.findall(r"^(\d+)\. \[", section, re.MULTILINE)]


#: Tests whose numbers are those of other specs.
_OTHERS = re.compile(r"leap|esi|script_|rules|jobs|facts|sched|trigger|agent|cron")


def _with_a_test() -> set[int]:
    found: set[int] = set()
    tests = ROOT / "tests"
    for path in (one for one in tests.rglob("*.py") if not _OTHERS.search(str(one.relative_to(tests)))):
        for named in re.findall(r"def test_check_((?:\d+_(?:and_)?)+)", path.read_text(encoding="utf-8")):
            found.update(int(number) for number in re.findall(r"\d+", named))
    return found


def test_every_numbered_check_has_a_test_or_a_reason() -> None:
    assert numbers() == list(range(1, 118))
    assert [n for n in numbers() if n not in _with_a_test() and n not in WITHOUT] == []
    assert sorted(_with_a_test() & WITHOUT.keys()) == []
