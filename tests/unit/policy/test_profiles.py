"""Profiles: where policies apply, through the object itself or what it belongs to, and every mistake with its line."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from tasks.effects.table import actions
from tasks.expressions.facts import Facts
from tasks.model.event import POLICY_EVENT, Event, Normalised, ObjectRef
from tasks.model.outcome import ObjectFacts
from tasks.policy.model import PolicySet
from tasks.policy.read import read
from tasks.site.contracts import SiteContext
from tasks.site.profiles import read as read_profiles
from tasks.site.settings import Settings

NOW = datetime(2031, 5, 4, tzinfo=UTC)
SERVER = ObjectRef("server", "s1")
POLICIES = b"""policies:
- {name: p, target: server, on: [vm_start], then: [{log: {message: x}}]}
- {name: free, target: server, on: [vm_start], then: [{log: {message: x}}]}
"""


def site(profiles: str) -> tuple[PolicySet, list[str]]:
    context = SiteContext(Settings(), {}, actions())
    held, wrong = read_profiles({"profiles/a.yaml": profiles.encode()}, context)
    found, problems = read({"policies/a.yaml": POLICIES}, replace(context, parts={"profiles": held}))
    return found, [str(p) for p in [*wrong, *problems]]


def facts(**attributes: Any) -> Facts:
    known = {"host": "node1", "availability_zone": "az1", "tags": ["gold"], "aggregates": ["rack-0", "rack-1"]}
    known |= {"cluster_id": "c-1", "cluster": "blue", **attributes}
    event = Event(1, "north", "POLICY", POLICY_EVENT, Normalised("vm_start", "vm_start", "m", NOW, "server", "s1"), {})
    return Facts(event, ObjectFacts(SERVER, "known", "web", "red", NOW, known), NOW)


@pytest.mark.parametrize(
    ("assign", "applies"),
    [
        ("{provider: north}", True),
        ("{provider: south}", False),
        ("{project: red}", True),
        ("{host: node1}", True),
        ("{zone: az1}", True),
        ("{tag: gold}", True),
        ("{tag: silver}", False),
        ("{aggregate: rack-1}", True),
        ("{aggregate: rack-1, tag: silver}", False),
        ("{aggregate: rack-2}", False),
        ("{cluster: c-1}", True),
        ("{cluster: blue, zone: az1}", True),
        ("{cluster: c-2}", False),
        ("{object: server/s1}", True),
        ("{object: server/s2}", False),
        ("{provider: north, project: blue}", False),
        ("{project: blue}, {provider: north}", True),
    ],
)
def test_check_17_and_23_a_profile_applies_where_it_is_assigned(assign: str, applies: bool) -> None:
    found, problems = site(f"profiles:\n- {{name: gold, policies: [p], assign: [{assign}]}}\n")
    assert problems == []
    assert found.assigned(found.policies["p"], facts()) == (applies, ["gold"])
    # What belongs to no profile applies everywhere.
    assert found.assigned(found.policies["free"], facts()) == (True, [])


def test_one_of_several_profiles_is_enough_and_an_inactive_one_is_none() -> None:
    text = """profiles:
- {name: quiet, policies: [p], assign: [{provider: north}], active: false}
- {name: other, policies: [p], assign: [{provider: south}]}
"""
    found, _ = site(text)
    assert found.assigned(found.policies["p"], facts()) == (False, ["quiet", "other"])
    found, _ = site(f"{text}- {{name: live, policies: [p], assign: [{{project: red}}]}}\n")
    assert found.assigned(found.policies["p"], facts()) == (True, ["live"])


@pytest.mark.parametrize(("kind", "place"), [("aggregate", "aggregate"), ("cluster", "cluster")])
def test_what_objects_belong_to_belongs_to_itself(kind: str, place: str) -> None:
    found, _ = site(f"profiles:\n- {{name: gold, policies: [free], assign: [{{{place}: rack-1}}]}}\n")
    ref = ObjectRef(kind, "7")
    event = Event(1, "north", "POLICY", POLICY_EVENT, Normalised("x", "x", "m", NOW, kind, "7"), {})
    for name, applies in (("rack-1", True), ("rack-2", False)):
        one = Facts(event, ObjectFacts(ref, "known", name, None, NOW, {}), NOW)
        assert found.assigned(found.policies["free"], one)[0] is applies


@pytest.mark.parametrize("attributes", [{"tags": None}, {"tags": "gold"}, {"tags": {"gold": 1}}])
def test_tags_of_another_shape_hold_no_tag(attributes: dict[str, Any]) -> None:
    found, _ = site("profiles:\n- {name: gold, policies: [p], assign: [{tag: gold}]}\n")
    assert found.assigned(found.policies["p"], facts(**attributes))[0] is False


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("- {name: a, policies: [q], assign: [{provider: north}]}", "there is no policy 'q'"),
        ("- {name: a, policies: [p], assign: [{}]}", "names no place"),
        ("- {name: a, policies: [p], assign: [{galaxy: x}]}", "galaxy"),
        ("- {name: a, policies: [], assign: [{tag: x}]}", "nothing belongs to it"),
        ("- {name: a, policies: [p], assign: [{tag: x}]}\n- {name: a, policies: [p], assign: [{tag: x}]}", "already"),
    ],
)
def test_a_mistake_is_told_with_its_file(text: str, words: str) -> None:
    told = site(f"profiles:\n{text}\n")[1]
    assert any(problem.startswith("profiles/a.yaml:") and words in problem for problem in told), told
