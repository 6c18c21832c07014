"""Events of bare-metal nodes: what is read again, and which policy event is raised."""

from __future__ import annotations

import pytest

from tasks.model.definitions import Definitions
from tasks.model.event import ObjectRef
from tasks.model.outcome import Outcome
from tasks.switchboard.handle import switchboard_handler
from tests.unit.switchboard.small_datastores import FakeView, event, shipped_with

NODE = ObjectRef("node", "n-1")
SET, CORRECTED = "baremetal.node.power_set.end", "baremetal.node.power_state_corrected.success"


def handled(event_type: str, node: str | None = NODE.id, **details: str) -> Outcome:
    return switchboard_handler(event(event_type, "node", node, details=details), FakeView(shipped_with()))


@pytest.mark.parametrize(
    ("event_type", "details", "raised"),
    [
        (SET, {"to_power": "power on", "power_state": "power on"}, "physical_server_start"),
        (SET, {"to_power": "power off", "power_state": "power off"}, "physical_server_shutdown"),
        (SET, {"to_power": "soft power off"}, "physical_server_shutdown"),
        (SET, {"to_power": "rebooting", "power_state": "power on"}, "physical_server_reset"),
        (SET, {"to_power": "soft rebooting"}, "physical_server_reset"),
        (CORRECTED, {"from_power": "power on", "power_state": "power off"}, "physical_server_shutdown"),
        (CORRECTED, {"from_power": "power off", "power_state": "power on"}, "physical_server_start"),
    ],
)
def test_a_node_that_was_switched_raises_what_became_of_it(
    event_type: str, details: dict[str, str], raised: str
) -> None:
    outcome = handled(event_type, **details)
    assert [(r.event_type, r.target) for r in outcome.raises] == [(raised, NODE)]
    assert Definitions()[raised].kind == "node"
    assert outcome.plan is not None
    assert outcome.plan.targets == [NODE]


@pytest.mark.parametrize("word", ["", "error", "None"])
def test_a_power_state_without_an_event_raises_none_and_says_why(word: str) -> None:
    outcome = handled(SET, to_power=word)
    assert outcome.raises == []
    assert next(f.detail["reason"] for f in outcome.findings if f.verdict == "skipped").startswith("there is no event")


@pytest.mark.parametrize(
    "happened",
    [
        "create.end",
        "update.end",
        "delete.end",
        "provision_set.end",
        "provision_set.error",
        "maintenance_set.end",
        "new",
    ],
)
def test_all_else_that_happens_to_a_node_has_it_read_again(happened: str) -> None:
    outcome = handled(f"baremetal.node.{happened}")
    assert outcome.plan is not None
    assert (outcome.plan.targets, outcome.raises) == ([NODE], [])


def test_an_event_that_names_no_node_has_all_nodes_read() -> None:
    outcome = handled("baremetal.node.provision_set.end", None)
    assert outcome.plan is not None
    assert [(ref.kind, ref.id) for ref in outcome.plan.targets] == [("*", "node")]


@pytest.mark.parametrize("event_type", ["hardware.ipmi.metrics.update", "hardware.redfish.metrics"])
def test_readings_of_sensors_set_nothing_in_motion(event_type: str) -> None:
    outcome = handled(event_type)
    assert outcome.plan is None or outcome.plan.targets == []
    assert outcome.raises == []
