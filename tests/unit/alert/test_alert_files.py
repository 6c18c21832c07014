"""``alerts/*.yaml``: what a file means, and every mistake of it with its line."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar

import pytest
from pydantic import BaseModel, Field

from tasks.alert.model import AlertSet, compile_pattern
from tasks.alert.read import PART, read
from tasks.alert.reading import ReadingLimit
from tasks.expressions.delays import read_delay
from tasks.site.contracts import Problem, SiteContext
from tasks.site.settings import Settings


class Letter(BaseModel, extra="forbid"):
    to: list[str] = Field(min_length=1, description="Addresses.")
    subject: str = ""


class Mail:
    params: ClassVar[type[BaseModel]] = Letter


CONTEXT = SiteContext(Settings(), {}, {"mail": Mail()})

GOOD = b"""\
alerts:
  - name: server-down
    description: "${target.name} went down"
    severity: error
    on: [vm_poweroff, "compute.instance.*.error"]
    target: server
    when: {field: server.tags, includes any: [gold]}
    delay: 1h30m
    notify:
      - mail: {to: [ops@example.org], subject: "${event.event_type}"}
  - name: any-failure
    on: "*.error"
"""


def alerts(text: str | bytes) -> AlertSet:
    found, problems = read({"alerts/a.yaml": text.encode() if isinstance(text, str) else text}, CONTEXT)
    assert problems == []
    return found


def problems(text: str) -> list[Problem]:
    return read({"alerts/a.yaml": text.encode()}, CONTEXT)[1]


def entry(**keys: str) -> str:
    """An alert that is right but for the given keys, one a line from line 2 on."""
    lines = {"name": "one", "on": "[vm_poweroff]", **keys}
    first, *rest = [f"{key}: {value}" for key, value in lines.items() if value != "-"]
    return "\n".join(["alerts:", f"  - {first}", *(f"    {line}" for line in rest)]) + "\n"


def test_part_names_its_files() -> None:
    assert PART.name == "alerts"
    assert PART.patterns == ("alerts/*.yaml", "alerts/*.yml")


def test_good_file_is_read_whole_with_defaults() -> None:
    down, failure = alerts(GOOD).alerts.values()
    assert (down.severity, down.target, down.delay) == ("error", "server", timedelta(hours=1, minutes=30))
    assert down.when is not None
    assert [one.action for one in down.notify] == ["mail"]
    assert (failure.severity, failure.target, failure.delay) == ("warning", None, timedelta(minutes=10))
    assert (failure.when, failure.notify, failure.summary, failure.active) == (None, (), "any-failure", True)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("0s", 0), ("90s", 90), ("10m", 600), ("1h30m", 5400), ("2d", 172_800), (0, 0), (60, 60)],
)
def test_delay_is_read(written: object, seconds: int) -> None:
    assert read_delay(written) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "written", ["", "10", "ten", "10 minutes", "-5m", "31d", "m", 10**9, -1, True, None, 1.5, "1h" * 9]
)
def test_text_that_is_no_delay_is_refused(written: object) -> None:
    with pytest.raises(ValueError, match=r"write it as|longer than"):
        read_delay(written)


def test_check_85_event_types_match_exactly() -> None:
    found = alerts(entry(on="[request_vm_start, vm_snapshot_complete]"))
    assert [alert.name for alert in found.naming("request_vm_start", "server")] == ["one"]
    for near in ("vm_start", "request_vm", "vm_snapshot", "request_vm_start_"):
        assert list(found.naming(near, "server")) == []


def test_patterns_match_whole_types() -> None:
    found = alerts(GOOD)
    named = [alert.name for alert in found.naming("compute.instance.create.error", "server")]
    assert named == ["server-down", "any-failure"]
    assert [alert.name for alert in found.naming("volume.create.error", "volume")] == ["any-failure"]
    assert list(found.naming("compute.instance.create.error.x", "server")) == []
    assert not compile_pattern("a.?").fullmatch("axb")
    assert compile_pattern("a.?").fullmatch("a.b")


def test_alert_named_twice_by_one_event_is_asked_once() -> None:
    found = alerts(entry(on="[vm_poweroff, vm_*, '*']"))
    assert [alert.name for alert in found.naming("vm_poweroff", None)] == ["one"]


def test_alert_of_another_kind_is_not_named_even_when_remembered() -> None:
    found = alerts(entry(target="server"))
    for _ in range(2):
        assert [alert.name for alert in found.naming("vm_poweroff", "server")] == ["one"]
        assert list(found.naming("vm_poweroff", "host")) == []
        assert list(found.naming("vm_poweroff", None)) == []


def test_check_72_inactive_alert_is_never_named() -> None:
    found = alerts(entry(active="false", on="[vm_poweroff, 'x*']"))
    assert len(found) == 1
    assert list(found.naming("vm_poweroff", "server")) == []
    assert list(found.naming("xy", "server")) == []


def test_memory_for_event_types_from_outside_is_bounded() -> None:
    found = alerts(GOOD)
    for number in range(10_000):
        found.naming(f"made.up.{number}", None)
    assert len(found._remembered) <= 4096
    assert [alert.name for alert in found.naming("x\ud800.error", None)] == ["any-failure"]


@pytest.mark.parametrize(
    ("keys", "line", "what", "mend"),
    [
        ({"name": "-"}, 2, "has no 'name'", "unique"),
        ({"on": "-"}, 2, "has no 'on'", "compute.instance.*.error"),
        ({"on": "[]"}, 3, "'on'", "exact or with"),
        ({"on": "['a b']"}, 3, "'on.0'", "exact or with"),
        ({"severity": "critical"}, 4, "'severity'", "how bad"),
        ({"delay": "soon"}, 4, "write it as 90s", "pause"),
        ({"delay": "99d"}, 4, "longer than 30 days", "pause"),
        ({"target": "[a]"}, 4, "'target'", "kind of object"),
        ({"notfy": "[]"}, 4, "'notfy' is no key", "'notify'"),
        ({"notify": "[{mial: {}}]"}, 4, "no action 'mial'", "'mail'"),
        ({"notify": "[{mail: {}}]"}, 4, "has no 'to'", "addresses"),
        ({"description": '"${event.no}"'}, 4, "'no'", "fields are"),
        ({"when": "{field: server.x, iss: 1}"}, 4, "'iss'", "'is'"),
        ({"when": "{field: evnet.host, is: 1}"}, 4, "unknown word", "event.host"),
        ({"active": "[]"}, 4, "'active'", "not asked"),
        ({"on": "[alert_due]"}, 3, "for alerts that the clock asks", "`every`"),
        ({"every": "1h", "target": "server"}, 4, "this one says on and every", "two alerts"),
        ({"every": "1h", "on": "-"}, 3, "has no target", "target: server"),
        ({"every": "59s", "on": "-", "target": "server"}, 3, "shorter than 1m", "how often"),
        ({"every": "often", "on": "-", "target": "server"}, 3, "write it as 90s", "how often"),
        ({"every": "1h", "on": "-", "target": "request"}, 4, "about on its events alone", "say `on`"),
        ({"reading": "{name: cpu, value: 9}", "on": "-"}, 3, "has no target", "target: server"),
        ({"reading": "{name: cpu, value: 9}", "target": "server"}, 4, "this one says on and reading", "two alerts"),
        ({"reading": "{name: cpu}", "on": "-", "target": "server"}, 3, "reading.value", "operator"),
        ({"reading": "{name: CPU, value: 9}", "on": "-", "target": "server"}, 3, "reading.name", "cpu_percent"),
        ({"reading": "{name: c, value: .inf}", "on": "-", "target": "server"}, 3, "finite", "cpu_percent"),
        ({"reading": "{name: c, value: on}", "on": "-", "target": "server"}, 3, "reading.value", "cpu_percent"),
        ({"reading": "{name: c, value: 1, for: 25h}", "on": "-", "target": "server"}, 3, "reading.for", "cpu_percent"),
        ({"reading": "{name: c, value: 1, operator: like}", "on": "-", "target": "server"}, 3, "operator", "cpu"),
        (
            {"every": "1h", "on": "-", "target": "server", "at_least": "{times: 2, within: 1m}"},
            5,
            "at_least counts events",
            "say `on`",
        ),
    ],
)
def test_mistake_is_reported_with_its_line_and_a_way_out(keys: dict[str, str], line: int, what: str, mend: str) -> None:
    found = [problem for problem in problems(entry(**keys)) if what in problem.what]
    assert found, problems(entry(**keys))
    assert (found[0].path, found[0].line) == ("alerts/a.yaml", line)
    assert mend.lower() in found[0].mend.lower()


def test_all_mistakes_are_reported_at_once_and_wrong_alerts_left_out() -> None:
    text = entry(delay="soon", severity="dire", when="{field: x, is: 1}", notify="[{mial: {}}]") + "  - 7\n"
    found, reported = read({"alerts/a.yaml": text.encode(), "alerts/b.yaml": b"\t"}, CONTEXT)
    lines = {(problem.path, problem.line) for problem in reported}
    assert {("alerts/a.yaml", n) for n in (4, 5, 6, 7, 8)} <= lines
    assert any(path == "alerts/b.yaml" for path, _ in lines)
    assert len(found) == 0


def test_name_given_twice_is_reported_with_the_first_place() -> None:
    _, [problem] = read({"alerts/a.yaml": entry().encode(), "alerts/b.yml": entry().encode()}, CONTEXT)
    assert (problem.path, problem.line) == ("alerts/b.yml", 2)
    assert "alerts/a.yaml:2" in problem.what


def test_alert_with_a_period_names_no_events_and_is_asked_by_the_clock() -> None:
    found = alerts(entry(on="-", every="1h30m", target="server") + "  - {name: other, on: [vm_start]}\n")
    one = found.alerts["one"]
    assert found.by_clock() == [(one, "server", timedelta(hours=1, minutes=30))]
    assert found.naming("alert_due", "server") == ()
    assert list(alerts(entry(on="-", every="1h", target="server", active="false")).by_clock()) == []


def test_alert_on_readings_names_no_events_and_is_found_by_their_name_and_kind() -> None:
    found = alerts(entry(on="-", reading="{name: cpu_percent, value: 90, for: 10m}", target="server"))
    [one] = found.watching("cpu_percent", "server")
    assert one.reading == ReadingLimit("cpu_percent", ">", 90.0, timedelta(minutes=10))
    for name, kind in (("cpu", "server"), ("cpu_percent", "host")):
        assert list(found.watching(name, kind)) == []
    assert list(found.naming("reading_received", "server")) == []
    resting = alerts(entry(on="-", reading="{name: c, value: 1}", target="server", active="false"))
    assert list(resting.watching("c", "server")) == []
