"""Tokens that open the HTTP API and the pages: made, found, revoked and listed."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from tasks.ledger.access import Token
from tasks.model import clock
from tasks.model.errors import Permanent

#: What a token may do, from least to most; each role may do what those before it may.
ROLES = ("view", "operate", "admin")
#: Beside them stands the role of who sends: it may push to one provider, and read nothing.
PUSH = "push"
#: Every token begins like this, so that one that leaked is recognised by people and by scanners.
PREFIX = "cmt_"
#: Random bytes in a token: 256 bits.
ENTROPY_BYTES = 32
#: Longer texts are no token of ours and are not hashed.
LONGEST = 200
#: ``used_at`` moves at most this often, so that a busy client costs no write per request.
USED_EVERY = timedelta(minutes=1)

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")


def make(
    session: Session,
    name: str,
    role: str,
    project: str | None = None,
    expires: datetime | None = None,
    now: datetime | None = None,
    provider: str | None = None,
) -> str:
    """Make a token and return its clear text, which is shown this once and kept nowhere.

    ``project`` narrows it to one project's events, objects and incidents; ``expires`` is the moment from
    which it is refused (None: never). ``provider`` goes with the role :data:`PUSH`: to whom it may push.
    Raises :class:`tasks.model.errors.Permanent` for a bad name, an
    unknown role, a moment that has passed, or a name that is taken.
    """
    now = now or clock.now()
    if not _NAME.fullmatch(name):
        raise Permanent(
            f"{name!r} is no name for a token: use up to 64 letters, digits and . _ @ -, "
            "beginning with a letter or digit"
        )
    if role not in (*ROLES, PUSH):
        raise Permanent(f"{role!r} is no role: use one of {', '.join(ROLES)}")
    if (role == PUSH) != bool(provider):
        raise Permanent("a token that pushes names its provider, and no other token does")
    if role == PUSH and project is not None:
        raise Permanent("a token that pushes is bound to a provider, not to a project: leave the project out")
    if project is not None and not project.strip():
        raise Permanent("the project is empty: name one, or leave it out for a token that sees all projects")
    if expires is not None and expires <= now:
        raise Permanent("the token would have expired already: name a moment to come")
    clear = PREFIX + secrets.token_urlsafe(ENTROPY_BYTES)
    token = Token(name=name, digest=digest(clear), role=role, project=project, provider=provider, made_at=now)
    token.expires_at = expires
    try:
        with session.begin_nested():
            session.add(token)
    except IntegrityError as taken:
        raise Permanent(f"a token {name!r} exists, or did before it was revoked: choose another name") from taken
    return clear


def digest(clear: str) -> str:
    """What is stored of a token: SHA-256, in hexadecimal.

    A slow hash protects secrets that people choose, which can be guessed. A token is 256 random bits:
    nobody gets through them at any speed, and each request would pay for the slowness.
    """
    return hashlib.sha256(clear.encode("utf-8", "surrogatepass")).hexdigest()


def find(session: Session, clear: str, now: datetime) -> Token | None:
    """The token of this clear text, or None where there is none, it was revoked or it has expired.

    The search is by digest, so that its timing tells of the digest alone, which gives nothing away of
    the token; the match itself takes the same time wherever it differs.
    """
    if not clear.startswith(PREFIX) or len(clear) > LONGEST:
        return None
    wanted = digest(clear)
    token = session.scalar(select(Token).where(Token.digest == wanted))
    if token is None or not hmac.compare_digest(token.digest, wanted):
        return None
    return token if is_good(token, now) else None


def by_id(session: Session, token_id: int, now: datetime) -> Token | None:
    """The token of this row id, if it still opens anything."""
    token = session.get(Token, token_id)
    return token if token is not None and is_good(token, now) else None


def is_good(token: Token, now: datetime) -> bool:
    """Whether the token is neither revoked nor expired."""
    return token.revoked_at is None and (token.expires_at is None or token.expires_at > now)


def is_stale(token: Token, now: datetime) -> bool:
    """Whether ``used_at`` is old enough to be moved by :func:`touch`."""
    return token.used_at is None or token.used_at <= now - USED_EVERY


def touch(session: Session, token_id: int, now: datetime) -> None:
    """Note that the token was used, unless that was noted within the last minute."""
    stale = or_(Token.used_at.is_(None), Token.used_at <= now - USED_EVERY)
    session.execute(update(Token).where(Token.id == token_id, stale).values(used_at=now))


def revoke(session: Session, name: str, now: datetime | None = None) -> bool:
    """Refuse the token from now on. Returns False where it was revoked already.

    Raises :class:`tasks.model.errors.Permanent` where no token has the name.
    """
    now = now or clock.now()
    known = session.scalar(select(Token.id).where(Token.name == name))
    if known is None:
        raise Permanent(f"there is no token {name!r}: `catchment token list` shows all")
    moved = update(Token).where(Token.id == known, Token.revoked_at.is_(None)).values(revoked_at=now)
    return session.execute(moved.returning(Token.id)).first() is not None


def listing(session: Session) -> Sequence[Token]:
    """All tokens, revoked ones too, by name."""
    return session.scalars(select(Token).order_by(Token.name)).all()
