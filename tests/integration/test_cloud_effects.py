"""A policy stops a server: from the notification to the simulated cloud."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from examples.cloud.running import Cloud, clouds_yaml
from examples.cloud.world import World
from tasks.conveyor.advance import backoff
from tasks.conveyor.retry import retry_effect
from tasks.effects import run as effects
from tasks.effects.table import actions
from tasks.ledger.effects import Effect, EffectTry
from tasks.ledger.session import Ledger
from tasks.providers.contracts import ProviderConfig
from tasks.providers.openstack.options import OpenStackOptions
from tasks.site.signin import SignIn
from tests.ground import Clock, all_the_way, caught, installed, notice, provider, site

# openstacksdk warns of its own use of what it is about to drop.
pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning", "ignore::DeprecationWarning")


@pytest.fixture
def cloud(hands: Clock) -> Iterator[Cloud]:
    with Cloud(World(seed=13, clock=lambda: hands.now)) as running:
        yield running


class Way:
    """An installation that watches the cloud, with one rule and the effects that it leads to."""

    def __init__(self, ledger: Ledger, cloud: Cloud, folder: Path, **rules: str) -> None:
        (folder / "clouds.yaml").write_text(clouds_yaml(cloud.url))
        lab = ProviderConfig("lab", "openstack", OpenStackOptions(cloud="demo"), SignIn("demo", folder / "clouds.yaml"))
        self.ledger = ledger
        self.present = installed(ledger, site(providers=[lab], actions={"destructive": True}, **rules))
        self.id = provider(ledger)

    def hears(self, *args: Any, **more: Any) -> Effect:
        """The effect that a notification leads to."""
        caught(self.present, self.id, notice(*args, **more))
        all_the_way(self.present)
        with self.ledger.reading() as session:
            return session.scalars(select(Effect)).one()

    def tries(self) -> tuple[str, list[tuple[str | None, str | None]]]:
        """Try the effect; its state, and verdict and summary of every try so far."""
        with self.ledger.reading() as session:
            effect = session.scalars(select(Effect)).one()
        effects.run(self.present, [effect.id], actions(), backoff)
        with self.ledger.reading() as session:
            rows = session.scalars(select(EffectTry).order_by(EffectTry.attempt))
            return session.scalars(select(Effect.state)).one(), [(row.verdict, row.summary) for row in rows]


def rule(action: str, on: str = "vm_start") -> str:
    return f"policies:\n- {{name: curfew, target: server, on: [{on}], then: [{action}]}}\n"


def test_a_policy_stops_a_server_that_was_started(ledger: Ledger, hands: Clock, cloud: Cloud, tmp_path: Path) -> None:
    server = cloud.world.servers.named("web-1")
    way = Way(ledger, cloud, tmp_path, policies=rule("stop_server"))
    effect = way.hears("compute.instance.power_on.end", server.id)
    assert (effect.action, effect.target_kind, effect.target_id) == ("stop_server", "server", server.id)
    assert server.status == "ACTIVE"
    assert way.tries() == ("done", [("done", f"the cloud was asked to stop server/{server.id}")])
    assert server.status == "SHUTOFF"


def test_a_reboot_whose_answer_is_lost_is_not_repeated(
    ledger: Ledger, hands: Clock, cloud: Cloud, tmp_path: Path
) -> None:
    server = cloud.world.servers.named("web-1")
    way = Way(ledger, cloud, tmp_path, policies=rule("{reboot_server: {type: hard}}", "vm_poweroff"))
    way.hears(server=server.id)
    cloud.faults.lose(path="/action")
    state, [(verdict, _)] = way.tries()
    assert (state, verdict) == ("asked", "again")
    hands.forward(600)
    state, [_, (verdict, summary)] = way.tries()
    assert (state, verdict) == ("done", "done")
    assert summary == f"an earlier try did reboot (hard) server/{server.id} already"
    assert len(server.deeds) == 1


def test_an_effect_that_an_operator_opens_again_is_carried_out_anew(
    ledger: Ledger, hands: Clock, cloud: Cloud, tmp_path: Path
) -> None:
    server = cloud.world.servers.named("web-1")
    way = Way(ledger, cloud, tmp_path, policies=rule("reboot_server", "vm_poweroff"))
    effect = way.hears(server=server.id)
    cloud.faults.answer(400, path="/action")
    assert way.tries()[0] == "dead"
    hands.forward(60)
    cloud.world.servers.act(server.id, "reboot")
    hands.forward(60)
    with ledger.transaction() as session:
        assert retry_effect(session, effect.id, hands.now)
    cloud.faults.answer(503, path="/action", retry_after="7")
    assert way.tries()[0] == "asked"
    with ledger.reading() as session:
        assert (session.get_one(Effect, effect.id).due_at - hands.now).total_seconds() >= 7
    hands.forward(600)
    state, rows = way.tries()
    assert (state, [verdict for verdict, _ in rows]) == ("done", ["dead", "again", "done"])
    assert len(server.deeds) == 2


def test_an_alert_without_a_target_kind_says_on_the_desk_what_it_cannot_do(
    ledger: Ledger, hands: Clock, cloud: Cloud, tmp_path: Path
) -> None:
    alerts = "alerts:\n- {name: any, severity: info, on: [volume.create.end], notify: [stop_server]}\n"
    way = Way(ledger, cloud, tmp_path, alerts=alerts)
    way.hears("volume.create.end", None, payload={"volume_id": "v1"})
    state, [(_, summary)] = way.tries()
    assert state == "dead"
    assert summary == "stop_server works on a server and not on volume/v1: set the rule's `target` to server"
