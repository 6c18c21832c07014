"""Alerts as the site defines them, indexed so that those which do not apply cost nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import re2

from tasks.alert.reading import ReadingLimit
from tasks.expressions.actions import Wanted
from tasks.expressions.facts import Facts
from tasks.expressions.placeholders import Template
from tasks.expressions.tree import Expression
from tasks.expressions.verdict import storable
from tasks.model.outcome import Limit
from tasks.site.profiles import Assigned, Profile

#: Answers to patterns that are remembered; event types come from outside, so there must be an end.
_REMEMBERED = 4096
_WILD = re.compile(r"[*?]")


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert: on these events, if this holds, open an incident and notify, then keep quiet for ``delay``.

    ``on`` names event types exactly or with ``*`` and ``?``. ``target`` is the kind of object that it
    is about; None: whatever the event is about. Events that ``resolved_by`` names end its incident.
    With ``times`` above 1 it fires only when so many of its events happened on the object ``within`` that time.
    One with ``every`` names no events: the clock asks it about each object of its kind, and what does not hold
    any more is over. One with ``reading`` is asked when readings of its name come, and ends in the same way.
    """

    name: str
    summary: str | Template
    severity: str
    on: tuple[str, ...]
    target: str | None
    when: Expression | None
    delay: timedelta
    notify: tuple[Wanted, ...]
    active: bool = True
    resolved_by: tuple[str, ...] = ()
    times: int = 1
    within: timedelta = timedelta()
    every: timedelta | None = None
    reading: ReadingLimit | None = None
    limit: Limit | None = None

    def names(self, event_type: str) -> bool:
        """Whether ``on`` names an event type, exactly or by a pattern."""
        text = storable(event_type)
        return any(compile_pattern(one).fullmatch(text) for one in self.on)

    def summarise(self, facts: Facts) -> str:
        """The line that an incident carries."""
        return self.summary if isinstance(self.summary, str) else self.summary.fill(facts)


class AlertSet:
    """All alerts of a site, in the order of its files."""

    def __init__(self, alerts: Iterable[Alert], profiles: Iterable[Profile] = ()) -> None:
        self.alerts: Mapping[str, Alert] = {alert.name: alert for alert in alerts}
        self._profiles = Assigned(profiles, "alerts")
        self._exact: dict[str, dict[str, Alert]] = {}
        self._patterns: list[tuple[re2._Regexp, Alert]] = []
        self._remembered: dict[str, tuple[Alert, ...]] = {}
        self._ending: dict[str, list[Alert]] = {}
        self._rank = {name: rank for rank, name in enumerate(self.alerts)}
        self._watching: dict[str, list[Alert]] = {}
        for alert in self.alerts.values():
            if not alert.active:
                continue
            if alert.reading is not None:
                self._watching.setdefault(alert.reading.name, []).append(alert)
            for event_type in alert.resolved_by:
                self._ending.setdefault(event_type, []).append(alert)
            for event_type in alert.on:
                if _WILD.search(event_type):
                    self._patterns.append((compile_pattern(event_type), alert))
                else:
                    self._exact.setdefault(event_type, {})[alert.name] = alert

    def assigned(self, alert: Alert, facts: Facts) -> tuple[bool, list[str]]:
        """Whether an alert applies to the event's object, and the profiles that it belongs to (5.6)."""
        return self._profiles.applies(alert.name, facts)

    def naming(self, event_type: str, kind: str | None) -> Sequence[Alert]:
        """The active alerts that name an event type and are about a kind of object.

        Exact names match exactly (spec policy-alerts 9.1): one on ``vm_snapshot_complete`` does not
        answer to ``vm_snapshot``.
        """
        found = self._remembered.get(event_type)
        if found is None:
            found = self._find(event_type)
        return [alert for alert in found if alert.target is None or alert.target == kind] if found else ()

    def ending(self, event_type: str, kind: str | None) -> Sequence[Alert]:
        """The active alerts whose incident on such an object the event ends."""
        found = self._ending.get(event_type)
        return [alert for alert in found if alert.target in (None, kind)] if found else ()

    def by_clock(self) -> Sequence[tuple[Alert, str, timedelta]]:
        """The active alerts that the clock asks, each with the kind of its objects and how often."""
        asked = (alert for alert in self.alerts.values() if alert.active)
        return [(a, a.target, a.every) for a in asked if a.every is not None and a.target is not None]

    def watching(self, reading: str, kind: str) -> Sequence[Alert]:
        """The active alerts that look at the readings of a name on such an object."""
        return [alert for alert in self._watching.get(reading, ()) if alert.target == kind]

    def _find(self, event_type: str) -> tuple[Alert, ...]:
        named = dict(self._exact.get(event_type, {}))
        text = storable(event_type)
        named.update((alert.name, alert) for pattern, alert in self._patterns if pattern.fullmatch(text))
        found = tuple(sorted(named.values(), key=lambda alert: self._rank[alert.name]))
        if len(self._remembered) >= _REMEMBERED:
            self._remembered.clear()
        self._remembered[event_type] = found
        return found

    def __len__(self) -> int:
        return len(self.alerts)


def compile_pattern(pattern: str) -> re2._Regexp:
    """A pattern of an event type: ``*`` stands for any text, ``?`` for one character."""
    parts = {"*": ".*", "?": "."}
    return re2.compile("".join(parts.get(character) or re2.escape(character) for character in pattern))
