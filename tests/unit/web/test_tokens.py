"""Tokens: made once, kept as digests, refused when revoked or expired."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, text

from tasks.ledger import tables, tokens
from tasks.ledger.access import Token
from tasks.ledger.session import Ledger
from tasks.model.errors import Permanent

NOW = datetime(2031, 5, 4, 12, 0, tzinfo=UTC)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    found = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    tables.METADATA.create_all(found.engine)
    yield found
    found.close()


def test_make_returns_256_bits_behind_the_prefix_and_stores_no_clear_text(ledger: Ledger) -> None:
    with ledger.transaction() as session:
        clear = tokens.make(session, "ci", "view", now=NOW)
        other = tokens.make(session, "ci2", "view", now=NOW)

    assert clear.startswith("cmt_")
    assert len(clear) >= len("cmt_") + 43
    assert clear != other
    with ledger.reading() as session:
        everything = repr(session.execute(text("SELECT * FROM token")).all())
    assert clear not in everything
    assert clear.removeprefix("cmt_") not in everything


def test_find_returns_the_token_for_its_clear_text_alone(ledger: Ledger) -> None:
    with ledger.transaction() as session:
        clear = tokens.make(session, "ci", "operate", "red", now=NOW)

    with ledger.reading() as session:
        found = tokens.find(session, clear, NOW)
        assert found is not None
        assert (found.name, found.role, found.project) == ("ci", "operate", "red")
        for wrong in (
            "",
            "cmt_",
            clear[:-1],
            clear + "x",
            clear.upper(),
            clear[4:],
            found.digest,
            "cmt_" + "é\ud800" * 9,
        ):
            assert tokens.find(session, wrong, NOW) is None, wrong


def test_find_refuses_a_token_from_the_moment_it_expires(ledger: Ledger) -> None:
    with ledger.transaction() as session:
        clear = tokens.make(session, "ci", "view", expires=NOW + timedelta(hours=1), now=NOW)

    with ledger.reading() as session:
        assert tokens.find(session, clear, NOW + timedelta(minutes=59)) is not None
        assert tokens.find(session, clear, NOW + timedelta(hours=1)) is None


def test_revoke_ends_a_token_once(ledger: Ledger) -> None:
    with ledger.transaction() as session:
        clear = tokens.make(session, "ci", "view", now=NOW)
        row = session.scalar(select(Token.id))
        assert row is not None
        assert tokens.revoke(session, "ci", NOW) is True
        assert tokens.revoke(session, "ci", NOW + timedelta(days=1)) is False

    with ledger.reading() as session:
        assert tokens.find(session, clear, NOW) is None
        assert tokens.by_id(session, row, NOW) is None
        assert tokens.listing(session)[0].revoked_at == NOW


def test_revoke_names_the_command_that_lists_tokens_for_an_unknown_name(ledger: Ledger) -> None:
    with ledger.transaction() as session, pytest.raises(Permanent, match="catchment token list"):
        tokens.revoke(session, "nobody", NOW)


@pytest.mark.parametrize(
    ("name", "role", "project", "expires", "word"),
    [
        ("", "view", None, None, "no name"),
        ("a b", "view", None, None, "no name"),
        ("x" * 65, "view", None, None, "no name"),
        ("ci\n", "view", None, None, "no name"),
        ("ci", "root", None, None, "view, operate, admin"),
        ("ci", "view", "  ", None, "project is empty"),
        ("ci", "view", None, NOW, "expired already"),
    ],
)
def test_make_refuses_what_makes_no_token(
    ledger: Ledger, name: str, role: str, project: str | None, expires: datetime | None, word: str
) -> None:
    with ledger.transaction() as session, pytest.raises(Permanent, match=word):
        tokens.make(session, name, role, project, expires, NOW)


def test_make_refuses_a_taken_name_and_leaves_the_transaction_usable(ledger: Ledger) -> None:
    with ledger.transaction() as session:
        tokens.make(session, "ci", "view", now=NOW)
        with pytest.raises(Permanent, match="another name"):
            tokens.make(session, "ci", "admin", now=NOW)
        tokens.make(session, "other", "view", now=NOW)

    with ledger.reading() as session:
        assert [(t.name, t.role) for t in tokens.listing(session)] == [("ci", "view"), ("other", "view")]


def test_touch_notes_the_use_at_most_once_a_minute(ledger: Ledger) -> None:
    with ledger.transaction() as session:
        tokens.make(session, "ci", "view", now=NOW)
        found = tokens.listing(session)[0]
        seen = []
        for seconds in (0, 30, 59, 60, 61):
            tokens.touch(session, found.id, NOW + timedelta(seconds=seconds))
            session.refresh(found)
            assert found.used_at is not None
            seen.append((found.used_at - NOW).total_seconds())

    assert seen == [0, 0, 0, 60, 60]
