"""What tests of rule events stand on: a ledger with facts, rules as text, a clock that is set, and who was told."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select

from tasks.constraints.paths import Scope, in_memory
from tasks.conveyor.telling import set_facts
from tasks.ledger.events import Event, Notification
from tasks.ledger.facts import FactRef, Write
from tasks.ledger.rules import RuleState
from tasks.ledger.session import Ledger
from tasks.ledger.tally import Count
from tasks.model.catalogue import FactValue, lookup
from tasks.model.fact_types import canonical, type_of
from tasks.rules.definition import RuleEvent, RuleSet
from tasks.rules.evaluate import ask_changed, sweep
from tasks.rules.event_file import read_event
from tasks.site.settings import Settings
from tests.ground import START

#: The rule that the vendor shipped, in our words (spec orchestrate 6.5 A).
VMHOST = """
  <trigger>
    <gt fact="vmhost.vm.count" value="0"/>
    <gt fact="vmhost.resource.loadaverage" value="2"/>
  </trigger>
  <reset>
    <lt fact="vmhost.resource.loadaverage" value=".5"/>
  </reset>
"""
#: A rule without reset: it is armed again by time.
ALWAYS = '<trigger><eq fact="vmhost.online" value="true"/></trigger>'


def event_text(inner: str, context: str = "<vmhost/>", **attributes: str) -> bytes:
    """A rule event's file."""
    given = "".join(f' {name}="{value}"' for name, value in attributes.items())
    return f"<event{given}>\n<context>{context}</context>{inner}</event>".encode()


def rule(inner: str, context: str = "<vmhost/>", stem: str = "vmhost", **attributes: str) -> RuleEvent:
    """A rule event that must be without mistakes."""
    found, complaints = read_event(event_text(inner, context, **attributes), stem)
    assert found is not None, complaints
    return found


def codes(content: bytes | str, stem: str = "x") -> list[str]:
    """The codes of what is wrong with a file, each once, in order."""
    text = content.encode() if isinstance(content, str) else content
    return list(dict.fromkeys(complaint.code for complaint in read_event(text, stem)[1]))


def trigger_codes(constraints: str, context: str = "<vmhost/>") -> list[str]:
    """The codes of a trigger of these constraints."""
    return codes(event_text(f"<trigger>{constraints}</trigger>", context))


def fact(name: str, value: Any, at: datetime = START, **more: Any) -> FactValue:
    """A fact as it would be read from the ledger."""
    known = lookup(name)
    kind = more.pop("kind", None) or (known.type if known else type_of(value))
    return FactValue(kind, canonical(kind, value), at, **more)


def scope(facts: Mapping[str, Any], now: datetime = START, **others: Mapping[str, Any]) -> Scope:
    """Facts of one VM host, and of objects by ``kind__id``."""
    held = {("vmhost", "h"): dict(facts)}
    for named, theirs in others.items():
        kind, ref = named.split("__")
        held[kind, ref] = dict(theirs)
    made = {
        owner: {
            name: value if isinstance(value, FactValue) else fact(name, value, now) for name, value in theirs.items()
        }
        for owner, theirs in held.items()
    }
    return Scope({"vmhost": "h"}, in_memory(made), now)


def outcome(constraints: str, facts: Mapping[str, Any], **others: Any) -> bool | None:
    """What a trigger of these constraints comes to."""
    return rule(f"<trigger>{constraints}</trigger>").trigger.judge(scope(facts, **others))


class Stand:
    """Rules on a ledger. ``at(seconds)`` sets the clock; changes and sweeps are asked for."""

    def __init__(self, ledger: Ledger, *rules: RuleEvent, **settings: Any) -> None:
        self.ledger = ledger
        self.settings = Settings(rules={"debounce_seconds": 0}, **settings)
        self.rules = RuleSet(rules)
        self.now = START

    def at(self, seconds: float) -> datetime:
        """Set the clock."""
        self.now = START + timedelta(seconds=seconds)
        return self.now

    def write(self, ref: str, origin: str = "test", **facts: Any) -> None:
        """Set facts of an object; ``__`` in a name is a point, and the kind stands before it."""
        kind, _, ident = ref.partition("/")
        owner = FactRef(kind, ident)
        writes = [Write(owner, f"{kind}.{name.replace('__', '.')}", value) for name, value in facts.items()]
        with self.ledger.transaction() as session:
            count = Count()
            set_facts(session, self.settings, self.now, count, origin, writes)
            count.write(session)

    def changed(self) -> int:
        """Ask rules about what has changed; how many evaluations that took."""
        return ask_changed(self.ledger, self.settings, self.rules, self.now)[0]

    def sweep(self) -> int:
        """Ask all rules about everything; how many evaluations that took."""
        return sweep(self.ledger, self.settings, self.rules, self.now)[0]

    def told(self, name: str | None = None) -> list[dict[str, Any]]:
        """The notifications so far, in order: their words, with the seconds at which they were told."""
        with self.ledger.reading() as session:
            query = (
                select(Event.id, Event.occurred_at, Notification.content)
                .join(Notification, Notification.event_id == Event.id)
                .order_by(Event.id)
            )
            found = [
                {**json.loads(row.content)["payload"], "at": (row.occurred_at - START).total_seconds()}
                for row in session.execute(query)
            ]
        return [one for one in found if name is None or one["name"] == name]

    def times(self, name: str | None = None) -> list[float]:
        """When a rule fired, in seconds."""
        return [one["at"] for one in self.told(name)]

    def state(self, event: str = "vmhost", key: str = "h") -> str:
        """How a rule stands on an object."""
        with self.ledger.reading() as session:
            found = session.get(RuleState, (event, key))
            return found.state if found else "armed"
