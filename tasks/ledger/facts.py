"""Facts of objects: what is known of resources, VM hosts, repositories, users and jobs (spec orchestrate 4).

A feed that finds a value unchanged moves the object's ``seen_at`` alone, so that a thousand objects to which nothing
happens cost one statement.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Double, ForeignKey, Identity, Index, UniqueConstraint, delete, select, text, tuple_, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from tasks.ledger import bulk
from tasks.ledger.base import Base, Id
from tasks.model import fact_types
from tasks.model.catalogue import FactValue, junctions, limit_of, lookup, rank

#: The name under which a change of the object as a whole is noted: it has come.
WHOLE = ""


class FactObject(Base):
    """An object that has facts. ``feed`` is who reports it, and ``seen_at`` when that was last.

    ``provider_id``, ``object_kind`` and ``object_ref`` name it in inventory; empty for Catchment's own.
    """

    __tablename__ = "fact_object"
    __table_args__ = (UniqueConstraint("kind", "ref"),)

    id: Mapped[int] = mapped_column(Id, Identity(), primary_key=True)
    kind: Mapped[str]
    ref: Mapped[str]
    feed: Mapped[str | None]
    provider_id: Mapped[int | None] = mapped_column(ForeignKey("provider.id"))
    object_kind: Mapped[str | None]
    object_ref: Mapped[str | None]
    added_at: Mapped[datetime]
    seen_at: Mapped[datetime | None]


class Fact(Base):
    """One fact. ``value`` is the text of :func:`tasks.model.fact_types.dump`; empty where it is undefined.

    ``link`` repeats the value of a junction, by which those are found whose facts a change reaches.
    """

    __tablename__ = "fact"
    __table_args__ = (
        Index(
            "ix_fact_link",
            "name",
            "link",
            postgresql_where=text("link IS NOT NULL"),
            sqlite_where=text("link IS NOT NULL"),
        ),
        {"postgresql_with": {"fillfactor": "70"}},
    )

    object_id: Mapped[int] = mapped_column(
        ForeignKey("fact_object.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    name: Mapped[str] = mapped_column(primary_key=True)
    type: Mapped[str]
    value: Mapped[str | None]
    link: Mapped[str | None]
    at: Mapped[datetime]
    limit_seconds: Mapped[float | None] = mapped_column(Double)
    origin: Mapped[str]


class FactChange(Base):
    """That a fact has another value, until the rules that look at it were asked. Only added, and taken away by them."""

    __tablename__ = "fact_change"

    id: Mapped[int] = mapped_column(Id, Identity(), primary_key=True)
    object_id: Mapped[int] = mapped_column(Id)
    name: Mapped[str]
    at: Mapped[datetime]


class FactRef(NamedTuple):
    """An object that has facts: its kind and id."""

    kind: str
    id: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.id}"


class Write(NamedTuple):
    """A fact to be set. ``value`` None makes it undefined; ``type`` is needed for facts that the catalogue lacks."""

    object: FactRef
    name: str
    value: Any
    type: str | None = None


class Change(NamedTuple):
    """A fact that was set to another value than it had; ``new`` says that the object itself is."""

    object: FactRef
    object_id: int
    name: str
    before: Any
    after: Any
    new: bool


class Subject(NamedTuple):
    """An object with its facts as a pass sees them, and where inventory has it."""

    id: int
    object: FactRef
    facts: Mapping[str, FactValue]
    provider_id: int | None
    object_kind: str | None
    object_ref: str | None


def write(
    session: Session, now: datetime, origin: str, writes: Sequence[Write], *, whole: bool = False
) -> list[Change]:
    """Set facts; objects that are not there yet come to be. Returns what has another value now.

    ``whole`` says that a feed reports all that it knows of these objects: what it said before and says again needs
    no writing. A fact that a source of higher precedence has set stays as it is (8). Raises
    :class:`tasks.model.fact_types.BadValue` for a value that is none of its fact's type; nothing is set then.
    """
    made = [(one, *_canonical(one)) for one in writes]
    objects = {one.object for one in writes}
    new = _make(session, objects, now)
    ids = _locked(session, objects)
    present = _present(session, ids.values())
    rows: dict[tuple[int, str], dict[str, Any]] = {}
    changes: list[Change] = []
    complete = [(Write(ref, f"{ref.kind}.id", ref.id), fact_types.STRING, ref.id) for ref in sorted(new)]
    for one, kind, value in complete + made:
        number = ids[one.object]
        held: Mapping[str, Any] | None = rows.get((number, one.name)) or present.get((number, one.name))
        if held is not None and rank(held["origin"]) > rank(origin):
            continue
        stored = None if value is None else fact_types.dump(kind, value)
        same = held is not None and (held["type"], held["value"]) == (kind, stored)
        if same and held is not None and held["origin"] == origin and (whole or held["limit_seconds"] is None):
            continue
        if not same:
            before = None if held is None or held["value"] is None else fact_types.load(held["type"], held["value"])
            changes.append(Change(one.object, number, one.name, before, value, one.object in new))
        rows[number, one.name] = _row(number, one.name, kind, stored, now, origin)
    _store(session, [rows[key] for key in sorted(rows)], changes, now)
    if whole:
        _confirm(session, now, origin, list(ids.values()))
    return changes


def _canonical(one: Write) -> tuple[str, Any]:
    known = lookup(one.name)
    kind = known.type if known is not None else one.type or fact_types.type_of(one.value)
    try:
        return kind, fact_types.canonical(kind, one.value)
    except fact_types.BadValue as error:
        raise fact_types.BadValue(f"{one.object}: {one.name}: {error}") from None


def _make(session: Session, objects: Iterable[FactRef], now: datetime) -> set[FactRef]:
    rows = [{"kind": ref.kind, "ref": ref.id, "added_at": now} for ref in sorted(objects)]
    stored = bulk.insert(session, FactObject, rows, conflict="(kind, ref) DO NOTHING", returning=("id", "kind", "ref"))
    bulk.insert(session, FactChange, [{"object_id": row.id, "name": WHOLE, "at": now} for row in stored])
    return {FactRef(row.kind, row.ref) for row in stored}


def _locked(session: Session, objects: Collection[FactRef]) -> dict[FactRef, int]:
    """The rows of objects, locked in their order, so that two writers of one fact see each other's value."""
    found = session.execute(
        select(FactObject.id, FactObject.kind, FactObject.ref)
        .where(FactObject.kind.in_({ref.kind for ref in objects}), FactObject.ref.in_({ref.id for ref in objects}))
        .order_by(FactObject.id)
        .with_for_update()
    )
    return {ref: row.id for row in found if (ref := FactRef(row.kind, row.ref)) in objects}


_COLUMNS = ("object_id", "name", "type", "value", "at", "limit_seconds", "origin")


def _present(session: Session, ids: Iterable[int]) -> dict[tuple[int, str], Mapping[str, Any]]:
    query = select(*(getattr(Fact, name) for name in _COLUMNS)).where(Fact.object_id.in_(set(ids)))
    return {(row.object_id, row.name): dict(row._mapping) for row in session.execute(query)}


def _row(number: int, name: str, kind: str, stored: str | None, now: datetime, origin: str) -> dict[str, Any]:
    return {
        "object_id": number,
        "name": name,
        "type": kind,
        "value": stored,
        "link": stored[:500] if stored is not None and name in junctions() else None,
        "at": now,
        "limit_seconds": limit_of(name, origin),
        "origin": origin,
    }


_SET = ", ".join(f"{name} = excluded.{name}" for name in ("type", "value", "link", "at", "limit_seconds", "origin"))


def _store(session: Session, rows: Sequence[Mapping[str, Any]], changes: Sequence[Change], now: datetime) -> None:
    bulk.insert(session, Fact, rows, conflict=f"(object_id, name) DO UPDATE SET {_SET}")
    noted = [{"object_id": change.object_id, "name": change.name, "at": now} for change in changes]
    bulk.insert(session, FactChange, noted)


def _confirm(session: Session, now: datetime, feed: str, ids: Collection[int]) -> None:
    session.execute(update(FactObject).where(FactObject.id.in_(ids)).values(feed=feed, seen_at=now))


def erase(session: Session, now: datetime, origin: str, names: Collection[tuple[FactRef, str]]) -> None:
    """Take facts away that this source has set, so that others may set them again."""
    for ref, name in names:
        of = select(FactObject.id).where(FactObject.kind == ref.kind, FactObject.ref == ref.id).scalar_subquery()
        gone = delete(Fact).where(Fact.object_id == of, Fact.name == name, Fact.origin == origin)
        for number in session.scalars(gone.returning(Fact.object_id)).all():
            session.add(FactChange(object_id=number, name=name, at=now))


def forget(session: Session, objects: Collection[FactRef]) -> None:
    """Delete objects with all their facts, and how rules stand on them."""
    session.execute(delete(FactObject).where(tuple_(FactObject.kind, FactObject.ref).in_([tuple(o) for o in objects])))


def subjects(
    session: Session,
    *,
    kinds: Collection[str] | None = None,
    ids: Collection[int] | None = None,
    refs: Collection[FactRef] | None = None,
) -> dict[FactRef, Subject]:
    """Objects with their facts, by kinds, by rows or by their ids; those of no kind that is asked for are left out."""
    objects = select(FactObject).order_by(FactObject.kind, FactObject.ref)
    if kinds is not None:
        objects = objects.where(FactObject.kind.in_(kinds))
    if ids is not None:
        objects = objects.where(FactObject.id.in_(ids))
    if refs is not None:
        objects = objects.where(
            FactObject.kind.in_({ref.kind for ref in refs}), FactObject.ref.in_({ref.id for ref in refs})
        )
    columns = FactObject.__table__.c
    found = [
        row
        for row in session.execute(objects.with_only_columns(*columns))
        if refs is None or FactRef(row.kind, row.ref) in refs
    ]
    whole = ids is None and refs is None
    facts = _facts(session, {row.id: row for row in found}, kinds if whole else None)
    return {
        (ref := FactRef(row.kind, row.ref)): Subject(
            row.id, ref, facts.get(row.id, {}), row.provider_id, row.object_kind, row.object_ref
        )
        for row in found
    }


def _facts(session: Session, objects: Mapping[int, Any], kinds: Collection[str] | None) -> dict[int, dict[str, Any]]:
    query = select(*(getattr(Fact, name) for name in _COLUMNS))
    if kinds is not None:
        query = query.join(FactObject, FactObject.id == Fact.object_id).where(FactObject.kind.in_(kinds))
    else:
        query = query.where(Fact.object_id.in_(objects.keys()))
    facts: dict[int, dict[str, FactValue]] = {}
    for number, name, kind, value, at, limit, origin in session.execute(query):
        owner = objects.get(number)
        if owner is None:
            continue
        if owner.feed == origin and owner.seen_at is not None and owner.seen_at > at:
            at = owner.seen_at
        read = None if value is None else fact_types.load(kind, value)
        facts.setdefault(number, {})[name] = FactValue(kind, read, at, limit, origin)
    return facts
