"""Fill a ledger with finished events, as years of work would, by set-based SQL."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import text

from tasks.ledger.session import Ledger
from tasks.model import clock

#: Objects that the stored events are about.
OBJECTS = 20_000


def fill(ledger: Ledger, count: int) -> None:
    """Store so many finished events with their notifications, a year back to a day ago. PostgreSQL only."""
    now: datetime = clock.now()
    with ledger.transaction() as session:
        session.execute(text("SET LOCAL statement_timeout = 0"))
        provider = session.scalar(
            text(
                "INSERT INTO provider (name, kind, added_at, ready_at) VALUES ('bench', 'openstack', :now, :now) "
                "RETURNING id"
            ),
            {"now": now},
        )
        digest = session.scalar(
            text(
                "INSERT INTO digest (decided_at, latest, site_version, fingerprint, events, template) "
                "VALUES (:now, :now, 'old', 1, :count, '[]') RETURNING id"
            ),
            {"now": now, "count": count},
        )
        session.execute(
            text(
                """INSERT INTO event (provider_id, message_id, state, object_key, occurred_at, caught_at, finished_at,
                    event_type, raw_event_type, resource_kind, resource_id, tenant_id, "group", level, digest_id)
                SELECT :provider, gen_random_uuid()::text, 'finished', 'bench/server/' || md5((n % :objects)::text),
                    at, at, at, 'compute.instance.update', 'compute.instance.update', 'server',
                    md5((n % :objects)::text), 'p1', 'other', 'detail', :digest
                FROM (SELECT n, CAST(:now AS timestamptz) - interval '1 day' - n * interval '30 seconds' AS at
                    FROM generate_series(1, :count) AS n) AS numbered"""
            ),
            {"provider": provider, "count": count, "objects": OBJECTS, "now": now, "digest": digest},
        )
        session.execute(
            text(
                "INSERT INTO notification (event_id, form, road, content) "
                "SELECT id, 'oslo', 'bench', '{\"payload\":\"' || repeat(md5(id::text), 20) || '\"}' FROM event"
            )
        )
        session.execute(
            text("INSERT INTO tally (provider_id, received, stored, finished) VALUES (:p, :n, :n, :n)"),
            {"p": provider, "n": count},
        )
    with ledger.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("SET statement_timeout = 0"))
        connection.execute(text("VACUUM ANALYZE"))
