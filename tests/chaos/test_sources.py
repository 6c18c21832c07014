"""Sources that answer wrongly, late, or not at all (spec field 4.1, 36 and 37)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import select

from examples.cloud.event_store import EventStore
from examples.cloud.running import Cloud, clouds_yaml
from examples.cloud.telemetry import TelemetryEvent
from examples.cloud.world import World
from tasks.catch.poll import poll
from tasks.conveyor.installation import Installation
from tasks.ledger import health, migrate
from tasks.ledger.balance import balance
from tasks.ledger.events import Event
from tasks.ledger.session import Ledger
from tasks.model import clock
from tasks.model.errors import CatchmentError, SignedOut
from tasks.providers.contracts import ProviderConfig
from tasks.providers.openstack.options import OpenStackOptions
from tasks.site.signin import SignIn
from tests.chaos.report import Fault
from tests.ground import installed, site

pytestmark = [pytest.mark.service("postgresql"), pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    world = World(seed=3)
    world.events = EventStore()
    with Cloud(world) as running:
        yield running


@pytest.fixture
def present(cloud: Cloud, tmp_path: Path, database: str) -> Iterator[Installation]:
    file = tmp_path / "clouds.yaml"
    file.write_text(clouds_yaml(cloud.url) + "    api_timeout: 1\n")
    options = OpenStackOptions(cloud="demo", monitor="panko", inventory="none", page_limit=20)
    ledger = Ledger(database)
    migrate.upgrade(ledger)
    yield installed(ledger, site(providers=[ProviderConfig("north", "openstack", options, SignIn("demo", file))]))
    ledger.close()


def happen(cloud: Cloud, name: str, moment: datetime) -> None:
    """Store one event in the cloud's telemetry, as of that moment."""
    traits = {"instance_id": ("string", f"server-{name}"), "tenant_id": ("string", "p1")}
    generated = moment.replace(tzinfo=None).isoformat(timespec="microseconds")
    cloud.world.events.add(TelemetryEvent(name, "compute.instance.power_off.end", generated, traits))


def ask(present: Installation) -> str:
    """One catch; returns what went wrong, if anything did."""
    try:
        poll(present, "north", lambda _: None)
    except CatchmentError as error:
        return type(error).__name__
    return ""


def stored(present: Installation) -> list[str]:
    with present.ledger.reading() as session:
        return list(session.scalars(select(Event.message_id).order_by(Event.id)))


@pytest.mark.quick
@pytest.mark.fault(36, "an event API with late rows, equal moments, errors, slowness and nonsense")
def test_36_unruly_source(cloud: Cloud, present: Installation, fault: Fault, seed: Random) -> None:
    began = datetime.now(UTC) - timedelta(minutes=5)
    names: list[str] = []
    failed = 0
    for round_ in range(25):
        moment = began + timedelta(seconds=3 * round_)
        for _ in range(seed.randrange(12)):
            # Several of one moment, more than a page at times, and some that come late.
            for _ in range(seed.choice([1, 1, 3, 30])):
                names.append(f"m{len(names)}")
                happen(cloud, names[-1], moment - timedelta(seconds=seed.choice([0, 0, 0, 1, 2])))
            moment += timedelta(milliseconds=seed.randrange(200))
        spoil = seed.choice(["none", "none", "429", "500", "reset", "garbage", "truncate", "slow"])
        if spoil.isdigit():
            cloud.faults.answer(int(spoil), path="/v2/events", retry_after="1" if spoil == "429" else None)
        elif spoil == "slow":
            cloud.faults.slow(2, path="/v2/events")
        elif spoil != "none":
            getattr(cloud.faults, spoil)(path="/v2/events")
        failed += bool(ask(present))
    cloud.faults.clear()
    for _ in range(3):
        ask(present)
    found = stored(present)
    assert sorted(found) == sorted(names), "every row exactly once"
    assert failed
    with present.ledger.reading() as session:
        assert all(line.exact for line in balance(session))
    fault.figures["rows"].append(len(names))
    fault.figures["failed polls"].append(failed)


@pytest.mark.quick
@pytest.mark.fault(37, "tokens expire, and credentials are taken away")
def test_37_signed_out(cloud: Cloud, present: Installation, fault: Fault) -> None:
    began = datetime.now(UTC) - timedelta(minutes=1)
    happen(cloud, "a", began)
    assert ask(present) == ""
    cloud.expire_tokens()
    happen(cloud, "b", began + timedelta(seconds=1))
    assert ask(present) == "", "an expired token is replaced in passing"
    user = next(user for user in cloud.world.users.values() if user.name == "demo")
    right, user.password = user.password, "another one"
    cloud.expire_tokens()
    happen(cloud, "c", began + timedelta(seconds=2))
    before = cloud.requests["POST /identity/v3/auth/tokens"]
    assert {ask(present) for _ in range(3)} == {SignedOut.__name__}
    assert cloud.requests["POST /identity/v3/auth/tokens"] - before <= 6, "no storm of sign-ins"
    with present.ledger.reading() as session:
        [line] = health.providers(session, clock.now())
    assert (line.state, (line.failure or "").split(":")[0]) == (health.SIGNED_OUT, "SignedOut")
    assert right not in (line.failure or "")
    user.password = right
    with suppress(CatchmentError):
        poll(present, "north", lambda _: None)
    assert ask(present) == ""
    assert stored(present) == ["a", "b", "c"]
    fault.figures["sign-ins refused"].append(cloud.requests["POST /identity/v3/auth/tokens"] - before)
