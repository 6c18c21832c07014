"""The parameters of actions on servers: what is taken, and what ``catchment check`` says of the rest."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tasks.effects.cloud import CLOUD_ACTIONS
from tasks.effects.table import actions
from tasks.policy.read import read as read_policies
from tasks.providers.openstack.operations import OpenStackOperator
from tasks.site.contracts import SiteContext
from tasks.site.settings import Settings

DESTRUCTIVE = {
    *("stop_server", "suspend_server", "pause_server", "shelve_server", "reboot_server"),
    *("delete_snapshots", "migrate_server", "evacuate_server"),
}


def model(word: str) -> Any:
    return actions()[word].params


def problems(action: str, target: str = "server") -> list[str]:
    text = f"policies:\n  - name: one\n    target: {target}\n    on: [vm_start]\n    then:\n      - {action}\n"
    found = read_policies(
        {"policies/a.yaml": text.encode()}, SiteContext(Settings(actions={"destructive": True}), {}, actions())
    )[1]
    return [str(problem) for problem in found]


def test_actions_and_operations_are_the_same_words() -> None:
    assert {action.name for action in CLOUD_ACTIONS} == set(OpenStackOperator.operations)
    for action in CLOUD_ACTIONS:
        assert action.kinds == OpenStackOperator.operations[action.name]


def test_destructive_actions_are_told_from_the_others() -> None:
    assert {word for word, action in actions().items() if getattr(action, "destructive", False)} == DESTRUCTIVE


@pytest.mark.parametrize(
    ("word", "given", "taken"),
    [
        ("stop_server", {}, {}),
        ("reboot_server", {}, {"type": "soft"}),
        ("reboot_server", {"type": "hard"}, {"type": "hard"}),
        ("snapshot_server", {}, {}),
        ("snapshot_server", {"name": "before ${event.event_type}"}, {"name": "before ${event.event_type}"}),
        ("delete_snapshots", {"older_than": "30d"}, {"older_than": timedelta(days=30), "made_by": "catchment"}),
        (
            "delete_snapshots",
            {"older_than": "4w", "made_by": "anyone"},
            {"older_than": timedelta(days=28), "made_by": "anyone"},
        ),
        ("migrate_server", {}, {"live": True}),
        ("migrate_server", {"live": False, "host": "compute2"}, {"live": False, "host": "compute2"}),
        ("evacuate_server", {"host": "compute2"}, {"host": "compute2"}),
        ("add_server_tag", {"tag": "${target.metadata.owner}"}, {"tag": "${target.metadata.owner}"}),
        ("set_server_metadata", {"metadata": {"a:b": "", "c": "d"}}, {"metadata": {"a:b": "", "c": "d"}}),
    ],
)
def test_parameters_that_are_taken(word: str, given: dict[str, Any], taken: dict[str, Any]) -> None:
    assert model(word).model_validate(given).model_dump(exclude_none=True) == taken


@pytest.mark.parametrize(
    ("word", "given"),
    [
        ("stop_server", {"force": True}),
        ("reboot_server", {"type": "warm"}),
        ("snapshot_server", {"name": ""}),
        ("snapshot_server", {"name": "${env:TOKEN}"}),
        ("delete_snapshots", {}),
        *(
            ("delete_snapshots", {"older_than": span})
            for span in ("soon", "0d", 30, True, "30", "999999d", "-1d", None)
        ),
        ("delete_snapshots", {"older_than": "1d", "made_by": "alice"}),
        ("migrate_server", {"host": ""}),
        ("evacuate_server", {"host": "h" * 256}),
        *(("add_server_tag", {"tag": tag}) for tag in ("", "a/b", "a,b", "t" * 61, "${file:key}")),
        ("remove_server_tag", {}),
        *(
            ("set_server_metadata", {"metadata": metadata})
            for metadata in (
                {},
                {"": "a"},
                {"k/": "a"},
                {"k": 1},
                {"k": "v" * 256},
                {"k": "${env:X}"},
                {"k": {"a": "b"}},
            )
        ),
        ("set_server_metadata", {"metadata": {f"key {n}": "" for n in range(21)}}),
    ],
)
def test_parameters_that_are_refused(word: str, given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        model(word).model_validate(given)


def test_every_action_is_documented_with_its_parameters() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs/policies.md").read_text()
    rows = [
        line
        for line in page.split("## Actions on servers")[1].split("## Actions in order")[0].splitlines()
        if "|" in line
    ]
    for action in CLOUD_ACTIONS:
        [row] = [row for row in rows if f"`{action.name}`" in row.split("|")[1]]
        assert (row.split("|")[3].strip() == "yes") == action.destructive
        assert [name for name in action.params.model_fields if f"`{name}`" not in row] == []


def test_mistakes_name_the_line_and_the_way_out() -> None:
    [found] = problems("delete_snapshots: {older_than: soon}")
    assert found.startswith("policies/a.yaml:6: 'older_than' of the action delete_snapshots: write it as 90m, 12h")
    [found] = problems("stop_servr")
    assert "Did you mean 'stop_server'?" in found
    [found] = problems("set_server_metadata: {metadata: {key: '${env:PASSWORD}'}}")
    assert "a secret does not belong where everybody in the project can read it" in found


def test_check_70_action_that_cannot_work_on_the_target_is_a_mistake() -> None:
    assert problems("stop_server") == []
    [found] = problems("stop_server", target="volume")
    assert found.startswith(
        "policies/a.yaml:6: stop_server cannot work on a volume. Use it in a rule with `target: server`"
    )
    [found] = problems("approve_request: {reason: fine}")
    assert "approve_request cannot work on a server" in found
    for action in actions().values():
        assert isinstance(getattr(action, "kinds", None), tuple | None)
