"""``policies/*.yaml``: what a file means, and every mistake of it with its line."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar

import pytest
from pydantic import BaseModel, Field

from tasks.effects.table import actions
from tasks.policy.model import PolicySet
from tasks.policy.read import PART, read
from tasks.site.contracts import Problem, SiteContext
from tasks.site.settings import Settings


class Speech(BaseModel, extra="forbid"):
    message: str = Field(min_length=1, description="The line to write.")
    level: str = "info"


class Say:
    params: ClassVar[type[BaseModel]] = Speech


CONTEXT = SiteContext(Settings(), {}, {"say": Say(), "shout": Say()})

GOOD = b"""\
policies:
  - name: stop-forgotten
    description: Forgotten servers are reported.
    target: server
    on: [vm_poweroff, vm_start]
    scope: {field: event.tenant_id, in: [p1, p2]}
    when:
      all:
        - {field: server.status, is: SHUTOFF}
        - {field: server.memory_mb, ">=": 4096}
    then:
      - say: {message: "${target.name} is off"}
      - shout: {message: "off"}
    otherwise:
      - say: {message: fine}
  - name: second
    target: volume
    "on": vm_suspend
    conditions:
      - {name: large, when: {field: volume.size_gb, ">": 100}}
      - {name: ours, when: {field: event.actor, is: ada}, scope: {field: volume.bootable, is: false}}
    missing: strict
    active: false
"""


def policies(text: bytes) -> PolicySet:
    found, problems = read({"policies/a.yaml": text}, CONTEXT)
    assert problems == []
    assert isinstance(found, PolicySet)
    return found


def problems(text: str | bytes) -> list[Problem]:
    _, found = read({"policies/a.yaml": text.encode() if isinstance(text, str) else text}, CONTEXT)
    return found


def entry(**keys: str) -> str:
    """A policy that is right but for the given keys, one a line from line 2 on."""
    lines = {"name": "one", "target": "server", "on": "[vm_start]", **keys}
    first, *rest = [f"{key}: {value}" for key, value in lines.items() if value != "-"]
    return "\n".join(["policies:", f"  - {first}", *(f"    {line}" for line in rest)]) + "\n"


def test_part_names_its_files() -> None:
    assert PART.name == "policies"
    assert PART.patterns == ("policies/*.yaml", "policies/*.yml")
    assert PART.read({}, CONTEXT)[1] == []


def test_good_file_is_read_whole() -> None:
    found = policies(GOOD)
    first, second = found.policies.values()
    assert (first.name, first.target, first.on, first.active) == (
        "stop-forgotten",
        "server",
        ("vm_poweroff", "vm_start"),
        True,
    )
    assert [one.action for one in first.then] == ["say", "shout"]
    assert [one.action for one in first.otherwise] == ["say"]
    assert [condition.name for condition in second.conditions] == ["large", "ours"]
    assert second.conditions[1].scope is not None
    assert not second.active
    assert len(found) == 2


def test_index_answers_by_event_and_kind_with_active_policies_in_their_order() -> None:
    text = "policies:\n" + "".join(
        f"  - {{name: {name}, target: {kind}, on: {on}, active: {active}}}\n"
        for name, kind, on, active in [
            ("b", "server", "[vm_start, vm_start]", "true"),
            ("a", "server", "[vm_start]", "true"),
            ("c", "host", "[vm_start]", "true"),
            ("d", "server", "[vm_start]", "false"),
        ]
    )
    found = policies(text.encode())
    assert [policy.name for policy in found.attached("vm_start", "server")] == ["b", "a"]
    assert [policy.name for policy in found.attached("vm_start", "host")] == ["c"]
    assert found.attached("vm_stop", "server") == ()


def test_check_19_defaults_are_active_and_explicit_values_win() -> None:
    assert policies(entry().encode()).policies["one"].active is True
    assert policies(entry(active="false").encode()).policies["one"].active is False


def test_bare_on_and_a_single_event_are_understood() -> None:
    assert policies(entry(on="vm_start").encode()).policies["one"].on == ("vm_start",)


def test_empty_files_hold_no_policies() -> None:
    for text in (b"", b"policies:\n", b"policies: []\n", b"# nothing\n"):
        assert len(policies(text)) == 0


@pytest.mark.parametrize(
    ("keys", "line", "what", "mend"),
    [
        ({"name": "-"}, 2, "has no 'name'", "unique in the site"),
        ({"name": "'a:b'"}, 2, "'name'", "letters, digits"),
        ({"target": "-"}, 2, "has no 'target'", "kind of object"),
        ({"target": "Server"}, 3, "'target'", "such as server"),
        ({"on": "-"}, 2, "has no 'on'", "vm_start"),
        ({"on": "[]"}, 4, "'on'", "exact names"),
        ({"on": "[vm_*]"}, 4, "'on.0'", "exact names"),
        ({"on": "{a: b}"}, 4, "'on'", "exact names"),
        ({"descripton": "x"}, 5, "'descripton' is no key", "'description'"),
        ({"active": "perhaps"}, 5, "'active'", "not asked"),
        ({"missing": "lenient"}, 5, "'missing'", "strict"),
        ({"then": "[{sya: {message: a}}]"}, 5, "no action 'sya'", "'say'"),
        ({"then": "[{say: {mesage: a, level: b}}]"}, 5, "has no 'message'", "the line to write"),
        (
            {"then": "[{say: {message: a, mesage: b}}]"},
            5,
            "'mesage' is no key of the action say",
            "'message'",
        ),
        ({"then": "[{say: {message: off}}]"}, 5, "'message' of the action say", "quotes"),
        ({"then": "[say]"}, 5, "has no 'message'", "line to write"),
        ({"then": "[{say: hello}]"}, 5, "no mapping", "say: {name: value}"),
        ({"then": "[{say: {message: a}, shout: {message: a}}]"}, 5, "not one action", "one word"),
        ({"then": "{say: {message: a}}"}, 5, "must be a list", "dash"),
        ({"then": '[{say: {message: "${event.no}"}}]'}, 5, "an event has no field 'no'", "fields are"),
        ({"then": "[{say: {message: 2026-11-21}}]"}, 5, "is a date to YAML", "quotes"),
        ({"then": "[{say: {message: a, level: .inf}}]"}, 5, "without end", "a number"),
        ({"then": "[{say: {message: a, level: !!binary aGk=}}]"}, 5, "type bytes", "as text"),
        ({"otherwise": "[{sya: {}}]"}, 5, "no action 'sya'", "'say'"),
        ({"when": "{field: server.x, iss: 1}"}, 5, "'iss' is no operator", "'is'"),
        ({"when": "{field: host.x, is: 1}"}, 5, "which is a server", "event, server, target"),
        ({"when": "{field: server.x, '>': many}"}, 5, "no number", "4096"),
        ({"scope": "{field: event.payload, is: 1}"}, 5, "no field", "event.payload."),
        ({"conditions": "[{name: a}]"}, 5, "has no 'when'", "What must hold".lower()),
        ({"conditions": "[{name: a, when: }]"}, 5, "condition is empty", "field"),
        ({"conditions": "[text]"}, 5, "no condition", "name"),
        ({"every": "6h"}, 5, "not by the clock", "mode: compliance"),
        ({"conditions": "[{name: a, wehn: {field: server.x, is: 1}}]"}, 5, "'wehn' is no key", "'when'"),
    ],
)
def test_mistake_is_reported_with_its_line_and_a_way_out(keys: dict[str, str], line: int, what: str, mend: str) -> None:
    found = [problem for problem in problems(entry(**keys)) if what in problem.what]
    assert found, problems(entry(**keys))
    assert (found[0].path, found[0].line) == ("policies/a.yaml", line)
    assert mend.lower() in found[0].mend.lower()
    assert found[0].mend[-1] in ".?"


def test_all_mistakes_of_all_files_are_reported_at_once() -> None:
    files = {
        "policies/b.yaml": b"policies:\n  - name: one\n    target: server\n    on: [vm_start]\n    wen: {}\n",
        "policies/a.yaml": (
            b"policies:\n"
            b"  - name: one\n"
            b"    target: server\n"
            b"    on: []\n"
            b"    when:\n"
            b"      all:\n"
            b"        - {field: server.a, iss: 1}\n"
            b"        - {feild: server.a, is: 1}\n"
            b"        - {field: event.payload.a, is: 1}\n"
            b"    then:\n"
            b"      - say: {message: ''}\n"
            b"      - whisper: {}\n"
            b"  - just text\n"
        ),
        "policies/c.yml": b"policies: [\n",
        "policies/d.yaml": b"policy: []\n",
    }
    found, reported = read(files, CONTEXT)
    lines = [(problem.path, problem.line) for problem in reported]
    assert [line for path, line in lines if path == "policies/a.yaml"].count(8) >= 1
    for expected in (4, 7, 8, 11, 12, 13):
        assert ("policies/a.yaml", expected) in lines
    assert ("policies/b.yaml", 2) in lines
    assert ("policies/b.yaml", 5) in lines
    assert any(path == "policies/c.yml" for path, _ in lines)
    assert ("policies/d.yaml", 1) in lines
    assert len(found) == 0


def test_name_given_twice_is_reported_where_it_stands_again_and_says_where_it_was_first() -> None:
    files = {"policies/b.yaml": entry().encode(), "policies/a.yaml": b"\n" + entry().encode()}
    _, reported = read(files, CONTEXT)
    [problem] = reported
    assert (problem.path, problem.line) == ("policies/b.yaml", 2)
    assert "policies/a.yaml:3" in problem.what


@pytest.mark.parametrize(
    "text",
    [
        b"- a\n",
        b"policies: text\n",
        b"policies: [1, [2], {3: 4}]\n",
        b"policies:\n  - {name: a, name: b}\n",
        b"\xff\xfe",
        b"policies:\n  - {name: a, target: server, on: [vm_start], when: {?}}\n",
        b"policies:\n  - {1: 2, null: 3, true: 4, 2026-11-21: 5}\n",
        b"policies:\n  - &a {name: a, when: *a}\n",
        b"other: 1\npolicies: []\n",
    ],
)
def test_file_of_another_shape_is_reported_and_never_raises(text: bytes) -> None:
    found, reported = read({"policies/a.yaml": text}, CONTEXT)
    assert reported
    assert len(found) == 0


def test_secret_in_a_wrong_parameter_is_not_repeated() -> None:
    text = entry(then="[{say: {message: a, token: hunter2}}]")
    assert all("hunter2" not in str(problem) for problem in problems(text))
    text = entry(then="[{say: {message: {password: hunter2}}}]")
    assert problems(text)
    assert all("hunter2" not in str(problem) for problem in problems(text))


def test_warning_does_not_keep_a_policy_out() -> None:
    text = entry(when="{KEY EXISTS: {regkey: HKLM}}")
    found, [problem] = read({"policies/a.yaml": text.encode()}, CONTEXT)
    assert problem.severity == "warning"
    assert list(found.policies) == ["one"]


def test_reader_has_no_use_for_anything_but_the_params_of_an_action() -> None:
    actions: dict[str, Any] = {"say": Say()}
    found, reported = read(
        {"policies/a.yaml": entry(then="[{say: {message: a}}]").encode()},
        SiteContext(Settings(), {}, actions),
    )
    assert reported == []
    assert found.policies["one"].then[0].action == "say"


@pytest.mark.parametrize(
    ("rest", "what"),
    [
        ("on: [vm_start]", "a compliance policy names no events"),
        ("otherwise: [check_compliance]", "would never come to an end"),
        ("then: [{check_compliance: {}}]", "would never come to an end"),
        ("every: 59s", "shorter than 1m"),
        ("every: 0", "shorter than 1m"),
        ("every: 31d", "longer than 30 days"),
        ("every: often", "write it as 90s"),
    ],
)
def test_check_64_compliance_policy_refuses_events_and_the_action_that_checks(rest: str, what: str) -> None:
    text = f"policies:\n- {{name: c, mode: compliance, target: server, {rest}}}\n"
    _, problems = read({"policies/a.yaml": text.encode()}, SiteContext(Settings(), {}, actions()))
    assert any(what in problem.what and problem.severity == "error" for problem in problems), problems


def test_check_64_control_policy_may_have_its_target_checked() -> None:
    text = b"policies:\n- {name: c, target: server, on: [vm_start], then: [check_compliance]}\n"
    assert read({"policies/a.yaml": text}, SiteContext(Settings(), {}, actions()))[1] == []


@pytest.mark.parametrize(
    ("kind", "name"),
    [("server", "vm_compliance_check"), ("host", "host_compliance_check"), ("volume", "object_compliance_check")],
)
def test_compliance_policy_is_asked_on_the_check_of_its_kind(kind: str, name: str) -> None:
    text = f"policies:\n- {{name: c, mode: compliance, target: {kind}}}\n"
    found, problems = read({"policies/a.yaml": text.encode()}, SiteContext(Settings(), {}, actions()))
    assert problems == []
    assert [policy.name for policy in found.attached(name, kind)] == ["c"]


def test_objects_are_checked_as_often_as_the_policy_wants_that_wants_it_most() -> None:
    text = b"""policies:
- {name: a, mode: compliance, target: server, every: 6h}
- {name: b, mode: compliance, target: server, every: 1h30m}
- {name: c, mode: compliance, target: server}
- {name: d, mode: compliance, target: server, every: 1m, active: false}
- {name: e, mode: compliance, target: volume, every: 60}
"""
    periods = policies(text).periods()
    assert periods == {"server": timedelta(hours=1, minutes=30), "volume": timedelta(minutes=1)}


def test_requests_are_not_checked_by_the_clock() -> None:
    [problem] = problems("policies:\n- {name: r, mode: compliance, target: request, every: 1h}\n")
    assert "a request is not checked by the clock" in problem.what
