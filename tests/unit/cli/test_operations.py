"""``catchment operate | operations``: asked for with words for what cannot be, waited for, and listed."""

from __future__ import annotations

import getpass
import json
from pathlib import Path

import pytest
from sqlalchemy import select

from tasks.ledger.effects import Effect
from tasks.ledger.operations import ALLOWED, PREVENTED, Operation
from tests.unit.cli.cli_ground import NOW, Site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    found = Site(tmp_path).made()
    found.fill()
    (tmp_path / "catchment.toml").write_text("[actions]\ndestructive = true\n")
    return found


def decided(site: Site, state: str, reason: str | None = None, effect: tuple[str, str | None] | None = None) -> None:
    """Decide on the only operation, as the workers would."""
    with site.ledger.transaction() as session:
        row = session.scalars(select(Operation)).one()
        row.state, row.reason = state, reason
        if effect is not None:
            facts = {name: getattr(row, name) for name in ("event_id", "rule", "action", "params", "key")}
            made = Effect(**facts, site_version="v", state=effect[0], error=effect[1], asked_at=NOW, due_at=NOW)
            session.add(made)


def test_an_operation_is_asked_for_listed_and_shown(site: Site) -> None:
    said = site.run("operate", "north", "server/s1", "reboot_server", "--set", "type=hard").stdout
    with site.ledger.reading() as session:
        row = session.scalars(select(Operation)).one()
    assert said.startswith(f"operation {row.event_id} was asked for")
    assert (row.rule, row.params) == (f"operator:{getpass.getuser()}", {"type": "hard"})
    [line] = json.loads(site.run("operations", "--json").stdout)
    assert (line["action"], line["state"], line["effect"]) == ("reboot_server", "deciding", None)
    assert line["tenant_id"] == "red"
    assert "reboot_server" in site.run("operations", str(row.event_id)).stdout
    assert json.loads(site.run("operations", "--state", "prevented", "--json").stdout) == []


@pytest.mark.parametrize(
    ("state", "reason", "effect", "code", "told"),
    [
        (ALLOWED, None, ("done", None), 0, "start_server on server/s1: done"),
        (ALLOWED, None, ("dead", "no"), 1, "start_server on server/s1: dead: no"),
        (PREVENTED, "policy:night:true", None, 1, "was prevented: policy:night:true"),
    ],
)
def test_waiting_tells_how_it_ended(
    site: Site,
    monkeypatch: pytest.MonkeyPatch,
    state: str,
    reason: str | None,
    effect: tuple[str, str | None] | None,
    code: int,
    told: str,
) -> None:
    monkeypatch.setattr("workers.cli.operations.time.sleep", lambda _: decided(site, state, reason, effect))
    assert told in site.run("operate", "north", "server/s1", "start_server", "--wait", code=code).stdout


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("north", "server/s1", "fly"), "there is no operation 'fly'"),
        (("north", "server/nowhere", "start_server"), "north has no server/nowhere"),
        (("north", "volume/v1", "start_server"), "works on server, and not on a volume"),
        (("north", "server/s1", "reboot_server", "--set", "type=loud"), "soft"),
        (("north", "server/s1", "reboot_server", "--set", "loud"), "write --set NAME=VALUE"),
        (("north", "server/s1", "webhook"), "there is no operation 'webhook'"),
    ],
)
def test_what_cannot_be_asked_for_is_told(site: Site, words: tuple[str, ...], told: str) -> None:
    assert told in site.run("operate", *words, code=2).stderr
    assert json.loads(site.run("operations", "--json").stdout) == []


def test_what_the_site_does_not_allow_is_told(site: Site) -> None:
    (site.root / "catchment.toml").write_text("retention_days = 3\n")
    assert "destructive = true" in site.run("operate", "north", "server/s1", "stop_server", code=2).stderr
    site.run("operate", "north", "server/s1", "start_server")


def test_an_operation_that_is_not_there_is_told(site: Site) -> None:
    assert "there is no operation 7" in site.run("operations", "7", code=2).stderr
