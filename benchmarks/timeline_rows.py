"""A ledger with events of many groups, levels, projects and objects, spread over a month, on either database."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text

from tasks.ledger import bulk
from tasks.ledger.events import Event
from tasks.ledger.providers import Provider
from tasks.ledger.session import Ledger
from tasks.model.definitions import shipped
from tasks.model.result import FAILURE, SUCCESS
from tasks.providers.openstack.timeline import place

PROVIDERS = ("north", "south")
PROJECTS, OBJECTS = 50, 20_000
SPAN = timedelta(days=30)
#: Rows of one transaction.
_PIECE = 50_000
#: What a busy cloud tells, the commonest first, each half as often as the one before it until the last few.
_TYPES = (
    "compute.instance.update", "port.update.end", "compute.instance.power_off.end", "compute.instance.create.end",
    "volume.attach.end", "network.floating_ip.associate", "compute.instance.delete.end", "volume.create.end",
    "compute.instance.resize.end", "image.update", "compute.instance.snapshot.end", "router.create.end",
    "orchestration.stack.create.end", "security_group_rule.create.end", "image.delete", "snapshot.create.end",
)  # fmt: skip
_WEIGHTS = [max(2.0**-n, 0.02) for n in range(len(_TYPES))]
_RAISED = sorted(n for n, d in shipped().items() if d.category in {"vm_operational", "vm_process", "inventory"})
_COLUMNS = (
    "provider_id", "message_id", "raised", "state", "object_key", "occurred_at", "caught_at", "finished_at",
    "event_type", "raw_event_type", "resource_kind", "resource_id", "tenant_id", "group", "level", "result",
)  # fmt: skip


def fill(ledger: Ledger, count: int, now: datetime) -> None:
    """Store so many finished events, evenly over the month that ends now; one in six was raised by Catchment."""
    with ledger.transaction() as session:
        rows = [Provider(name=name, kind="openstack", added_at=now, ready_at=now) for name in PROVIDERS]
        session.add_all(rows)
        session.flush()
        ids = {row.name: row.id for row in rows}
    drawn = _rows(ids, count, now)
    for begin in range(0, count, _PIECE):
        with ledger.transaction() as session:
            bulk.append(session, Event, _COLUMNS, [next(drawn) for _ in range(min(_PIECE, count - begin))])
    with ledger.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE event" if ledger.dialect == "postgresql" else "ANALYZE"))


def thing(number: int) -> str:
    """The id of an object."""
    return f"{number:032x}"


def project(number: int) -> str:
    """The id of a project."""
    return f"{number:032x}"


def _rows(ids: dict[str, int], count: int, now: datetime) -> Iterator[tuple[Any, ...]]:
    chance = random.Random(1)
    for number in range(count):
        at = now - SPAN * ((count - number) / count)
        mine = chance.randrange(OBJECTS)
        provider = PROVIDERS[mine % 10 < 3]
        raised = number % 6 == 0
        event_type = chance.choice(_RAISED) if raised else chance.choices(_TYPES, _WEIGHTS)[0]
        result = chance.choice((SUCCESS, SUCCESS, FAILURE, None)) if raised else None
        yield (
            ids[provider], f"{number:08x}-{chance.getrandbits(96):024x}", raised, "finished",
            f"{provider}/server/{thing(mine)}", at, at, at, event_type, event_type, "server", thing(mine),
            project(mine % PROJECTS), *place(event_type), result,
        )  # fmt: skip
