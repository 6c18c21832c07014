"""``catchment requests``: opened, listed, shown, decided and cancelled, each with words for what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.cli_ground import Site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path).made()


def listed(site: Site, *options: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(site.run("requests", "list", "--json", *options).stdout)
    return found


def test_a_request_from_opened_to_over(site: Site) -> None:
    opened = site.run("requests", "open", "--uri", "/Lab/Ops/provide#go", "--set", "Server=s1", "--requester", "erin")
    assert opened.stdout == "request 1 opened\n"
    [line] = listed(site)
    assert (line["requester"], line["approval_state"], line["request_state"]) == ("erin", "pending_approval", "pending")
    assert line["options"]["uri"] == "/Lab/Ops/provide#go"
    assert line["options"]["attrs"] == {"server": "s1"}
    assert "needs a reason" in site.run("requests", "deny", "1", "--reason", " ", code=2).stderr
    assert "approved" in site.run("requests", "approve", "1", "--reason", "fine").stdout
    assert "approved already" in site.run("requests", "deny", "1", "--reason", "no", code=2).stderr
    shown = site.run("requests", "show", "1").stdout
    assert "request 1: Automation Task for erin" in shown
    assert "approved by" in shown
    assert listed(site, "--to-approve") == []
    site.run("requests", "cancel", "1")
    assert listed(site) == []
    assert listed(site, "--all")[0]["status"] == "Error"
    assert "erin" in site.run("requests", "list", "--all").stdout


def test_other_types_and_approval_at_once(site: Site) -> None:
    site.run("requests", "open", "--type", "vm_retire", "--set", "vm=s1", "--approve", "--json")
    [line] = listed(site, "--type", "vm_retire")
    assert (line["approval_state"], line["request_state"], line["options"]) == (
        "approved",
        "queued",
        {"attrs": {"vm": "s1"}},
    )
    document = json.loads(site.run("requests", "show", "1", "--json").stdout)
    assert document["approvals"][0]["reason"] == "Auto-Approved"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("open", "--uri", "/a/b"), "write /Namespace/Class/Instance"),
        (("open", "--set", "x"), "write --set NAME=VALUE"),
        (("show", "7"), "there is no request 7"),
        (("approve", "7", "--reason", "x"), "there is no request 7"),
        (("cancel", "7"), "there is no request 7"),
    ],
)
def test_what_cannot_be_done_is_told(site: Site, words: tuple[str, ...], told: str) -> None:
    assert told in site.run("requests", *words, code=2).stderr
