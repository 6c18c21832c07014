"""Figures for Prometheus, read from the ledger at each scrape: every web process tells the same."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from fastapi import APIRouter, Depends
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from starlette.responses import Response

from tasks.conveyor.order import ORDER
from tasks.ledger import balance, gaps, health
from tasks.ledger.conflicts import Conflict
from tasks.ledger.effects import ASKED, DEAD, Effect
from tasks.ledger.incident_lists import muted
from workers.web.caller import whole
from workers.web.web import Here

router = APIRouter(include_in_schema=False)

#: What a provider sent and what became of it only grows; what is pending or dead comes and goes.
_GROWING = ("received", "stored", "duplicate", "rejected", "finished")
_STANDING = ("pending", "dead")


@router.get("/metrics", dependencies=[Depends(whole)], response_model=None)
def metrics(web: Here) -> Response:
    """The figures as Prometheus text."""
    with web.ledger.reading() as session:
        registry = CollectorRegistry(auto_describe=False)
        registry.register(LedgerFigures(session, web.now()))
        text = generate_latest(registry)
    return Response(text, headers={"Content-Type": CONTENT_TYPE_LATEST})


class LedgerFigures(Collector):
    """All figures of one ledger at one moment."""

    def __init__(self, session: Session, now: datetime) -> None:
        self._session = session
        self._now = now

    def describe(self) -> list[Metric]:
        """Nothing ahead of a scrape: the registry lives for one only."""
        return []

    def collect(self) -> Iterator[Metric]:
        """The figures, family by family."""
        yield from self._balance()
        yield from self._stages()
        yield self._effects()
        yield self._mute()
        yield from self._providers()
        yield self._marks()
        yield self._conflicts()

    def _balance(self) -> Iterator[Metric]:
        lines = balance.balance(self._session)
        for name in _GROWING:
            grown = CounterMetricFamily(
                f"catchment_{name}", f"Events {name}, by the provider's balance.", labels=["provider"]
            )
            for line in lines:
                grown.add_metric([line.provider], getattr(line, name))
            yield grown
        for name in _STANDING:
            standing = GaugeMetricFamily(f"catchment_{name}", f"Events that are {name}.", labels=["provider"])
            for line in lines:
                standing.add_metric([line.provider], getattr(line, name))
            yield standing
        exact = GaugeMetricFamily(
            "catchment_balance_exact", "1 where the balance adds up, 0 where not.", labels=["provider"]
        )
        for line in lines:
            exact.add_metric([line.provider], float(line.exact))
        yield exact

    def _stages(self) -> Iterator[Metric]:
        pending = GaugeMetricFamily("catchment_stage_pending", "Events that wait before a stage.", labels=["stage"])
        oldest = GaugeMetricFamily(
            "catchment_stage_oldest_due_seconds",
            "How long the event that is due longest has been due before a stage.",
            labels=["stage"],
        )
        for line in health.stages(self._session, ORDER):
            pending.add_metric([line.stage], line.pending)
            oldest.add_metric([line.stage], max(0.0, self._age(line.oldest_due)) if line.oldest_due else 0.0)
        yield pending
        yield oldest

    def _effects(self) -> Metric:
        # Those that are done have no index of their own: to count them would read the whole table.
        family = GaugeMetricFamily("catchment_effects", "Effects that are asked for or dead.", labels=["state"])
        for state in (ASKED, DEAD):
            number = self._session.scalar(select(func.count()).select_from(Effect).where(Effect.state == state))
            family.add_metric([state], number or 0)
        return family

    def _mute(self) -> Metric:
        family = GaugeMetricFamily(
            "catchment_incidents_cannot_notify",
            "Incidents that are not closed and whose newest notification is dead.",
        )
        family.add_metric([], muted(self._session))
        return family

    def _providers(self) -> Iterator[Metric]:
        contact = GaugeMetricFamily(
            "catchment_provider_contact_age_seconds",
            "Since a provider was last reached.",
            labels=["provider"],
        )
        state = GaugeMetricFamily(
            "catchment_provider_state",
            "1 for the word that says how a provider is.",
            labels=["provider", "state"],
        )
        silence = GaugeMetricFamily(
            "catchment_provider_silence_seconds",
            "Since something last came of a provider.",
            labels=["provider"],
        )
        limit = GaugeMetricFamily(
            "catchment_provider_silence_limit_seconds",
            "The silence that is suspicious at this time of the day, by the provider's history.",
            labels=["provider"],
        )
        for line in health.providers(self._session, self._now):
            for family, value in ((silence, line.silence), (limit, line.silence_limit)):
                if value is not None:
                    family.add_metric([line.name], value)
            # A provider that was never reached has no age; its state says so.
            if line.contact_age is not None:
                contact.add_metric([line.name], line.contact_age)
            state.add_metric([line.name, line.state], 1.0)
        yield from (contact, state, silence, limit, self._gaps())

    def _gaps(self) -> Metric:
        family = GaugeMetricFamily(
            "catchment_provider_gaps",
            "Stretches of time of which a provider's events may be missing, of the last 90 days.",
            labels=["provider", "state"],
        )
        for labels, number in gaps.counts(self._session).items():
            family.add_metric(labels, number)
        return family

    def _marks(self) -> Metric:
        family = GaugeMetricFamily(
            "catchment_mark_age_seconds",
            "Since something that must happen again and again last did.",
            labels=["mark"],
        )
        for mark in health.marks(self._session):
            family.add_metric([mark.name], self._age(mark.at))
        return family

    def _conflicts(self) -> Metric:
        family = CounterMetricFamily(
            "catchment_database_conflicts",
            "Transactions that PostgreSQL gave up (deadlock, serialization, timeout) and that were begun again.",
            labels=["kind"],
        )
        for row in self._session.scalars(select(Conflict).order_by(Conflict.kind)):
            family.add_metric([row.kind], row.count)
        return family

    def _age(self, moment: datetime) -> float:
        return (self._now - moment).total_seconds()
