"""Python methods: where their code is found, what they may see and ask for, and what becomes of their mistakes."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.metadata import EntryPoint
from typing import Any

import pytest

from tasks.model.errors import Transient
from tasks.model.event import ObjectRef
from tasks.model.outcome import Move, ObjectFacts, Outcome, Petition, Raise
from tasks.site.contracts import SiteContext
from tasks.site.settings import Settings
from tasks.switchboard import python
from tasks.switchboard.handle import switchboard_handler
from tasks.switchboard.read import read_automate
from tests.unit.switchboard.small_datastores import FakeView, domain, event, files_of, klass

SERVER = ObjectRef("server", "s-1")


def site(code: str, data: str = "m:run", language: str = "python", fields: Any = None) -> tuple[Any, list[str]]:
    """A datastore whose OpenStack events call one Python method, and what was told of it."""
    options: dict[str, Any] = {"location": "inline", "language": language, "inputs": [["who", {"default_value": "me"}]]}
    if data:
        options["data"] = data
    kinds = fields or [("meth1", "method")]
    values = {name: "METHOD::act" if kind == "state" else "act" for name, kind, *_ in kinds}
    held = klass("System/Event/EmsEvent", "OpenStack", kinds, {"image.create": values}, [["act", options]])
    files = {**files_of(domain("Site", held)), "automate/methods/m.py": code.encode()}
    store, problems = read_automate(files, SiteContext(Settings(), {}, {}))
    return store, [str(p) for p in problems]


def outcome(code: str, **more: Any) -> Outcome:
    store, _ = site(code, **more)
    view = FakeView(store, {SERVER: ObjectFacts(SERVER, "known", "web", "red", None, {"status": "ACTIVE"})})
    return switchboard_handler(event("image.create"), view)


def told(found: Outcome) -> tuple[str, str]:
    last = found.findings[-1]
    return last.verdict, str(last.detail.get("text", last.detail))


def test_method_sees_the_delivery_and_asks_for_all_that_it_may() -> None:
    code = """
def run(service):
    assert service.inputs == {"who": "me"}
    assert service.current["meth1"] is None and service.current.path.endswith("/image.create")
    assert service.parent.name == "Event" and service.root["object_name"] == "Event"
    assert service.event["source"] == "OPENSTACK" and dict(service.task) == {}
    assert service.object("/").name == "Event" and service.object("../../..") is None
    assert service.inventory("server", "s-1").attributes["status"] == "ACTIVE"
    assert service.inventory("server", "s-2") is None
    service.current["Note"] = 1
    assert service.current["NOTE"] == 1 and "note" in service.current
    assert service.instantiate("/System/Nowhere/x") is None
    assert service.instantiate("/System/event_handlers/refresh").name == "refresh"
    service.raise_event("vm_start", "server", "s-1", policy_source="x")
    service.refresh("server", "s-2")
    service.ask("log", message="hello")
    service.ask("log", message="again")
    service.request("vm_retire", {"vm": "s-1"}, description="Retire it")
    service.pend("somebody must look")
    service.log("info", "done")
"""
    found = outcome(code)
    assert [f.verdict for f in found.findings if f.name.endswith("/act")] == ["done"]
    assert found.raises[0] == Raise("vm_start", SERVER, {"policy_source": "x"})
    assert found.plan is not None
    assert ObjectRef("server", "s-2") in found.plan.targets
    assert [(a.action, a.params, a.ordinal) for a in found.asks] == [
        ("log", {"message": "hello"}, 0),
        ("log", {"message": "again"}, 1),
    ]
    assert found.petitions == [Petition("vm_retire", {"vm": "s-1"}, "Retire it")]
    assert found.moves == [Move("pend", "somebody must look")]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("raise KeyError('x')", "raised KeyError at m.py:2"),
        ("service.abort('enough')", "ended the delivery: enough"),
        ("service.raise_event('', 'server', 's')", "event_type is ''"),
        ("service.refresh('server', None)", "ref is None"),
        ("import sys; sys.setrecursionlimit(200); run(service)", "RecursionError"),
    ],
)
def test_mistake_of_a_method_ends_the_delivery_and_names_its_line(body: str, words: str) -> None:
    import sys

    limit = sys.getrecursionlimit()
    try:
        found = outcome(f"def run(service):\n    {body}\n")
    finally:
        sys.setrecursionlimit(limit)
    verdict, text = told(found)
    assert verdict == "error"
    assert words in text


def test_stop_drops_the_object_and_transient_trouble_is_tried_again() -> None:
    stopped = outcome("def run(service):\n    service.stop('not for us')\n")
    assert [f.verdict for f in stopped.findings if f.kind == "object"] == ["stopped"]
    with pytest.raises(Transient, match="away"):
        outcome("from tasks.model.errors import Transient\ndef run(service):\n    raise Transient('away')\n")


def test_retry_and_failure_of_a_state() -> None:
    again = outcome("def run(service):\n    service.retry('2.minutes')\n", fields=[("s", "state")])
    assert again.again is not None
    assert again.again.seconds == 120
    failed = outcome("def run(service):\n    service.fail('no room')\n", fields=[("s", "state")])
    assert failed.again is None
    assert [f.verdict for f in failed.findings if f.kind == "state"] == ["error"]


def test_a_pause_of_nothing_is_a_second() -> None:
    again = outcome("def run(service):\n    service.retry(0)\n", fields=[("s", "state")])
    assert again.again is not None
    assert again.again.seconds == 1


def test_what_calls_python_is_never_remembered() -> None:
    code = "calls = []\ndef run(service):\n    calls.append(1)\n    service.ask('log', message=str(len(calls)))\n"
    store, _ = site(code)
    view = FakeView(store)
    messages = [switchboard_handler(event("image.create"), view).asks[0].params for _ in range(3)]
    assert messages == [{"message": "1"}, {"message": "2"}, {"message": "3"}]


@pytest.mark.parametrize(
    ("code", "data", "language", "words"),
    [
        ("def other(service): pass", "m:run", "python", "there is no Python function for [m:run]"),
        ("x = 1", "", "python", "there is no Python function for [act]"),
        ("def run(s): pass", "import os\nos.remove('x')", "python", "names no Python function"),
        ("def run(:", "m:run", "python", "automate/methods/m.py:1: this is no Python"),
        ("x = 1\nraise ValueError('no')", "m:run", "python", "automate/methods/m.py:2: the module does not load"),
        ("def run(s): pass", "", "ruby", "is a method in ruby (inline), which is not run"),
    ],
)
def test_check_tells_of_code_that_is_not_there(code: str, data: str, language: str, words: str) -> None:
    assert any(words in problem for problem in site(code, data, language)[1])


def test_foreign_method_is_replaced_by_one_of_the_same_name_above() -> None:
    ruby = [["act", {"location": "inline", "language": "ruby"}]]
    mine = [["act", {"location": "inline", "language": "python", "data": "m:run"}]]
    fields = [("meth1", "method")]
    base = klass("System/Event/EmsEvent", "OpenStack", fields, {"image.create": {"meth1": "act"}}, ruby)
    over = klass("System/Event/EmsEvent", "OpenStack", fields, {}, mine)
    files = files_of(domain("Theirs", base, priority=1), domain("Ours", over, priority=2))
    files["automate/methods/m.py"] = b"def run(service):\n    service.ask('log', message='ours')\n"
    store, problems = read_automate(files, SiteContext(Settings(), {}, {}))
    assert [str(p) for p in problems if "ruby" in p.what] == []
    assert switchboard_handler(event("image.create"), FakeView(store)).asks[0].params == {"message": "ours"}


def test_entry_point_of_a_package_is_found_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("act", "tests.unit.switchboard.test_python_methods:packaged", python.GROUP)
    broken = EntryPoint("broken", "tests.unit.switchboard.nowhere:x", python.GROUP)
    monkeypatch.setattr(python, "_points", lambda: {"act": point, "broken": broken})
    assert outcome("x = 1", data="").asks[0].params == {"message": "packaged"}
    assert any("does not load" in problem for problem in site("x = 1", "broken")[1])


def packaged(service: Any) -> None:
    """What the entry point of the test above leads to."""
    service.ask("log", message="packaged")


def test_moment_of_a_view_is_what_limits_are_judged_by() -> None:
    found = outcome("def run(service):\n    service.retry(60)\n", fields=[("s", "state", {"max_time": "1.hour"})])
    assert found.again is not None
    started = found.again.kept["position"]["started"]
    assert datetime.fromisoformat(started) == datetime(2030, 1, 2, tzinfo=UTC)
