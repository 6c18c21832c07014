"""Tries a rule event on facts in a file: what would fire when (spec orchestrate 12). Nothing of it meets a ledger.

A timeline is YAML: ``objects`` are facts from the beginning, ``timeline`` what changes at which second, ``until`` where
it ends, ``pass`` how many seconds lie between two looks, ``expect`` what should fire.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import BaseModel, Field, ValidationError, field_validator

from tasks.constraints import durations
from tasks.ledger.facts import FactRef, Subject
from tasks.ledger.rules import ARMED
from tasks.model.builtin_events import RESET_SUFFIX
from tasks.model.catalogue import INVENTORY, KINDS, MATRIX, SERVER, FactValue, limit_of, lookup
from tasks.model.errors import Permanent
from tasks.model.fact_types import BadValue, canonical, type_of
from tasks.rules.definition import RuleEvent
from tasks.rules.machine import State
from tasks.rules.passes import Passed, States, judge
from tasks.rules.snapshot import Snapshot
from tasks.site.lines import YamlMistake, load

#: The moment at which every timeline begins.
BEGINNING = datetime(2030, 1, 1, tzinfo=UTC)
#: Looks at the facts, at the most.
MOST_PASSES = 20_000

_Facts = dict[str, dict[str, Any]]


class Moment(BaseModel, extra="forbid"):
    """Facts that are other ones from a second on, by object."""

    at: int = Field(ge=0)
    set: _Facts = Field(default_factory=dict)

    @field_validator("at", mode="before")
    @classmethod
    def _seconds(cls, value: Any) -> Any:
        return seconds(value)


class Expected(BaseModel, extra="forbid"):
    """What should fire at a second: the name, which is the rule's where it is left out, and the objects."""

    at: int = Field(ge=0)
    fires: list[str] = Field(default_factory=list)
    event: str | None = None

    @field_validator("at", mode="before")
    @classmethod
    def _seconds(cls, value: Any) -> Any:
        return seconds(value)


class Timeline(BaseModel, extra="forbid"):
    """A whole file. ``stale`` has facts grow old as those that are fed do; else they hold until they are changed."""

    rule: str | None = None
    every: int = Field(30, alias="pass", ge=1)
    until: int | None = Field(None, ge=0)
    stale: bool = False
    objects: _Facts = Field(default_factory=dict)
    timeline: list[Moment] = Field(default_factory=list)
    expect: list[Expected] | None = None

    @field_validator("every", "until", mode="before")
    @classmethod
    def _seconds(cls, value: Any) -> Any:
        return value if value is None else seconds(value)


def seconds(value: Any) -> Any:
    """A number of seconds, or a duration as rules write it; 0 is the beginning."""
    if isinstance(value, str) and value not in ("0", "0s"):
        return durations.seconds(value)
    return 0 if isinstance(value, str) else value


@dataclass(slots=True)
class Happening:
    """What happened at a second: an event that fired, or one that was armed again."""

    at: int
    event: str
    context: Mapping[str, Any]
    objects: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Tried:
    """What a timeline led to; ``wrong`` says where that is not what was expected."""

    happened: list[Happening]
    states: dict[str, str]
    passes: int
    wrong: list[str]


def read_timeline(content: bytes) -> Timeline:
    """The timeline of a file. Raises :class:`tasks.model.errors.Permanent` with what is wrong with it."""
    try:
        document = load(content)
        found = Timeline.model_validate(document.data or {})
    except YamlMistake as mistake:
        raise Permanent(f"line {mistake.line or 1}: this is no YAML: {mistake.what}") from mistake
    except ValidationError as mistake:
        first = mistake.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise Permanent(f"the timeline: {where}: {first['msg']}") from mistake
    return found


def run(rule: RuleEvent, timeline: Timeline) -> Tried:
    """Let the time pass. Raises :class:`tasks.model.errors.Permanent` for facts or lengths that cannot be."""
    moments = {moment.at: moment.set for moment in sorted(timeline.timeline, key=lambda moment: moment.at)}
    if len(moments) != len(timeline.timeline):
        raise Permanent("the timeline: a second is named twice: put its facts together")
    last = timeline.until if timeline.until is not None else max(moments, default=0)
    looks = sorted({*range(0, last + 1, timeline.every), *(at for at in moments if at <= last), last})
    if len(looks) > MOST_PASSES:
        raise Permanent(f"the timeline: {len(looks)} looks, more than {MOST_PASSES}: make it shorter, or `pass` longer")
    world = _World(timeline)
    world.set(timeline.objects, BEGINNING)
    held: dict[str, State] = {}
    happened: list[Happening] = []
    for at in looks:
        now = BEGINNING + timedelta(seconds=at)
        world.set(moments.get(at, {}), now)
        passed = Passed()
        judge(rule, world.snapshot(now), _Held(rule, held), now, passed)
        _remember(held, passed)
        happened += [
            Happening(at, one.name, dict(one.context), [f"{ref.kind}/{ref.id}" for ref in one.objects])
            for one in passed.fired
        ]
    wrong = _compare(rule, happened, timeline.expect) if timeline.expect is not None else []
    return Tried(happened, {key: state.word for key, state in sorted(held.items())}, len(looks), wrong)


class _World:
    """The facts of a timeline as time passes."""

    def __init__(self, timeline: Timeline) -> None:
        self._stale = timeline.stale
        self._facts: dict[FactRef, dict[str, FactValue]] = {FactRef(MATRIX, SERVER): {}}
        self._rows: dict[FactRef, int] = {}

    def set(self, objects: _Facts, now: datetime) -> None:
        for named, values in objects.items():
            kind, slash, ident = named.partition("/")
            if not slash or kind not in KINDS or not ident:
                raise Permanent(f"the timeline: {named[:80]!r} is no object: write it as vmhost/ID")
            theirs = self._facts.setdefault(FactRef(kind, ident), {})
            for name, value in values.items():
                theirs[name] = self._fact(named, name, value, now)

    def _fact(self, named: str, name: str, value: Any, now: datetime) -> FactValue:
        known = lookup(name)
        kind = known.type if known is not None else type_of(value)
        try:
            made = canonical(kind, value)
        except BadValue as error:
            raise Permanent(f"the timeline: {named}: {name}: {error}") from None
        return FactValue(kind, made, now, limit_of(name, INVENTORY) if self._stale else None)

    def snapshot(self, now: datetime) -> Snapshot:
        return Snapshot(
            {
                ref: Subject(self._rows.setdefault(ref, len(self._rows) + 1), ref, facts, None, None, None)
                for ref, facts in self._facts.items()
            }
        )


class _Held(States):
    """States that are held in memory."""

    def __init__(self, rule: RuleEvent, held: Mapping[str, State]) -> None:
        super().__init__(())
        self._rule = rule
        self._held = held

    def of(self, rule: RuleEvent, key: str) -> tuple[State | None, Any]:
        return self._held.get(key), _Row() if key in self._held else None


class _Row:
    """Stands for a row that is there."""

    deadline = None


def _remember(held: dict[str, State], passed: Passed) -> None:
    for row in passed.rows:
        held[row["key"]] = State(row["state"], row["since"], row["fired_at"], row["hold_since"], row["fired"])
    for _, key in passed.gone:
        held[key] = held[key]._replace(word=ARMED, fired_at=None, hold_since=None)


def _compare(rule: RuleEvent, happened: list[Happening], expected: list[Expected]) -> list[str]:
    fired = {(one.at, one.event): sorted(one.objects) for one in happened}
    wanted = {(one.at, one.event or rule.name): sorted(one.fires) for one in expected}
    wrong = []
    for at, name in sorted({*fired, *wanted}):
        if (at, name) not in fired:
            wrong.append(f"at {at} s {name} was expected and did not fire")
        elif (at, name) not in wanted:
            if not name.endswith(RESET_SUFFIX):
                wrong.append(f"at {at} s {name} fired and was not expected")
        elif wanted[at, name] and wanted[at, name] != fired[at, name]:
            wrong.append(f"at {at} s {name} fired for {', '.join(fired[at, name])}")
    return wrong
