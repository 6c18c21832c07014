"""The events of an oVirt engine: each of the 94 types leads to its handlers, its refresh targets, its policy events."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from tasks.conveyor.wanted import FULL
from tasks.model.definitions import Definitions
from tasks.model.event import Event, Normalised, ObjectRef
from tasks.model.outcome import Outcome
from tasks.providers.contracts import ProviderConfig
from tasks.providers.ovirt.converter import OvirtConverter
from tasks.switchboard.builtin import EVERYTHING_WORDS
from tasks.switchboard.handle import switchboard_handler
from tasks.switchboard.read import shipped_domain
from tests.unit.switchboard.small_datastores import FakeView, event, shipped_with

TABLES = Path(__file__).resolve().parents[3] / "../shared/corpus/tables"
VM, TEMPLATE, HOST, CLUSTER = (ObjectRef(k, f"{k}-1") for k in ("server", "template", "host", "cluster"))
#: What the types of our own that stand in the way of a missing corpus do: type, code, targets, policy events.
KNOWN = [
    ("USER_RUN_VM", 32, [VM], [("vm_start", VM)]),
    ("USER_STOP_VM", 33, [VM], [("vm_poweroff", VM)]),
    ("USER_SUSPEND_VM_OK", 503, [VM], [("vm_suspend", VM)]),
    ("USER_REMOVE_VM_FINISHED", 113, [VM], [("vm_destroy", VM)]),
    ("USER_REMOVE_VM_TEMPLATE_FINISHED", 251, [TEMPLATE], [("vm_destroy", TEMPLATE)]),
    ("USER_ADD_VM_TEMPLATE_FINISHED_SUCCESS", 51, [TEMPLATE, VM, CLUSTER], [("vm_template", TEMPLATE)]),
    ("USER_ADD_VM", 34, [VM, TEMPLATE, CLUSTER], []),
    ("HOST_FAILURE", 12, [HOST], [("host_failure", HOST)]),
    ("HOST_REGISTER_SUCCEEDED", 828, [HOST], [("host_connect", HOST)]),
    ("HOST_INITIATED_RUN_VM", 506, [HOST], []),
    ("VM_MIGRATION_DONE", 63, [VM], [("vm_migrate", VM)]),
    ("USER_ADD_STORAGE_DOMAIN", 956, [FULL], []),
    ("USER_COPIED_TEMPLATE", 86, [FULL], []),
    ("USER_LOGGED_IN_VM", 456, [], [("vm_remote_console_connected", VM)]),
]


def of_engine(code: int, **links: str) -> Event:
    """The event of a code, converted as the engine sends it."""
    body: dict[str, Any] = {"id": "7", "code": str(code), "time": 1_900_000_000_000, "severity": "normal"}
    body |= {link: {"id": ref, "href": f"/ovirt-engine/api/{link}s/{ref}"} for link, ref in links.items()}
    converter = OvirtConverter()
    [message] = converter.unwrap(json.dumps(body))
    facts: Normalised = converter.convert(message)
    return Event(7, "virt", converter.source, "EmsEvent", facts, {"form": message.form, "content": message.content})


def whole(code: int) -> Event:
    """An event that is linked to all that it can be linked to."""
    links = {"vm": VM.id, "template": TEMPLATE.id, "host": HOST.id, "cluster": CLUSTER.id}
    return of_engine(code, data_center="data_center-1", storage_domain="storage_domain-1", **links)


def handled(found: Event) -> Outcome:
    """What the shipped domain makes of it."""
    return switchboard_handler(found, FakeView(shipped_with()))


def instance_of(outcome: Outcome) -> tuple[str, str]:
    """The event's own instance, and whether it is there."""
    found = [f for f in outcome.findings if f.kind == "instance"][1]
    return found.name, found.verdict


@lru_cache(maxsize=1)
def table() -> dict[str, Any]:
    """The table of the corpus, without the instance for all others."""
    if not TABLES.is_dir():
        return {}
    events: dict[str, Any] = json.loads((TABLES / "rhevm_event_actions.json").read_text())["events"]
    return {name: entry for name, entry in events.items() if name != ".missing"}


@pytest.mark.parametrize(("name", "code", "targets", "raised"), KNOWN, ids=[name for name, *_ in KNOWN])
def test_type_names_its_targets_and_raises_its_policy_events(
    name: str, code: int, targets: list[ObjectRef], raised: list[tuple[str, ObjectRef]]
) -> None:
    outcome = handled(whole(code))
    assert instance_of(outcome) == (f"/Catchment/System/Event/EmsEvent/RHEVM/{name}", "found")
    assert outcome.plan is not None
    assert outcome.plan.targets == targets
    assert [(r.event_type, r.target) for r in outcome.raises] == raised


@pytest.mark.corpus
@pytest.mark.skipif(not TABLES.is_dir(), reason="the corpus beside the repository is absent")
def test_table_of_ovirt_events_is_carried_over_field_by_field() -> None:
    shipped = shipped_domain().classes[("system", "event", "emsevent"), "rhevm"]
    assert len(table()) == 94
    assert set(shipped.instances) == {name.lower() for name in table()} | {".missing"}
    for name, entry in table().items():
        steps = [(f.name, v.value) for f, v in shipped.steps(shipped.instances[name.lower()])]
        assert steps == [(a["field"], a["value"]) for a in entry["actions"]], name


def _expected(entry: dict[str, Any], name: str) -> tuple[list[ObjectRef], list[tuple[str, ObjectRef]]]:
    """What the table says of targets and policy events, where the event is linked to everything."""
    of_template = "TEMPLATE" in name
    roles = {"src_vm": TEMPLATE if of_template else VM, "src_host": HOST}
    targets: list[ObjectRef] = []
    raised: list[tuple[str, ObjectRef]] = []
    for action in entry["actions"]:
        arguments = action.get("args") or {}
        word = arguments.get("target", "")
        if action["handler"] == "event_action_policy":
            raised.append((arguments["policy_event"], roles[word]))
        elif action["handler"] == "refresh":
            targets += [roles["src_vm"], VM, TEMPLATE, CLUSTER]
        elif action["handler"] == "update_vm_import_status":
            raised.append(("timeline_mark", VM))
        else:
            targets.append(FULL if word in EVERYTHING_WORDS else roles[word])
    return list(dict.fromkeys(targets)), raised


@pytest.mark.corpus
@pytest.mark.parametrize("name", sorted(table()))
def test_every_type_of_the_table_leads_to_what_it_says(name: str) -> None:
    entry = table()[name]
    for code in entry["codes"]:
        found = whole(code)
        outcome = handled(found)
        targets, raised = _expected(entry, name)
        assert found.event_type == name
        assert instance_of(outcome)[1] == "found"
        assert outcome.plan is not None
        assert set(outcome.plan.targets) == set(targets)
        assert [(r.event_type, r.target) for r in outcome.raises] == raised
        assert not [f for f in outcome.findings if f.verdict in ("error", "skipped", "absent")]


@pytest.mark.corpus
@pytest.mark.skipif(not TABLES.is_dir(), reason="the corpus beside the repository is absent")
def test_every_policy_event_of_the_table_is_one_that_policies_know() -> None:
    names = {
        a["args"]["policy_event"] for e in table().values() for a in e["actions"] if "policy_event" in a.get("args", {})
    }
    assert len(names) == 13
    assert [name for name in names if name not in Definitions()] == []


def test_type_without_an_instance_has_its_own_object_read() -> None:
    outcome = handled(of_engine(153, vm=VM.id, cluster=CLUSTER.id))
    assert instance_of(outcome) == ("/Catchment/System/Event/EmsEvent/RHEVM/.missing", "missing")
    assert outcome.plan is not None
    assert outcome.plan.targets == [VM]


def test_event_about_a_cluster_or_a_template_alone_refreshes_it() -> None:
    """In the original these collected nothing (spec capture 9 C6)."""
    for code, link, ref in ((834, "cluster", CLUSTER), (48, "template", TEMPLATE)):
        plan = handled(of_engine(code, **{link: ref.id})).plan
        assert plan is not None
        assert plan.targets == [ref]


@pytest.mark.parametrize(("code", "status"), [(1152, "success"), (1153, "failure")])
def test_import_is_marked_on_the_machine_with_how_it_ended(code: int, status: str) -> None:
    outcome = handled(of_engine(code, vm=VM.id))
    [mark] = [r for r in outcome.raises if r.event_type == "timeline_mark"]
    assert (mark.target, mark.source, mark.inputs["import_status"]) == (VM, "Mark", status)
    without = handled(of_engine(code, host=HOST.id))
    assert [r.event_type for r in without.raises] == []


def test_machine_of_an_engine_is_infrastructure_and_that_of_a_cloud_is_a_clouds() -> None:
    from tasks.switchboard.given import Given

    view = FakeView(shipped_with())
    view.providers = {"virt": ProviderConfig("virt", "ovirt", None)}  # type: ignore[attr-defined]
    assert Given(whole(32), view)["vm"]["cloud"] is False
    assert Given(event("compute.instance.update"), view)["vm"]["cloud"] is True
