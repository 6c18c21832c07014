"""Signed values: the session that a browser keeps in a cookie, and the token in its forms.

Nothing is kept in the server, so any web process that has the key serves any browser. The session names
its token by row id; the token itself never reaches a cookie, and whether it is still good is asked of the
ledger at each request.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from tasks.ledger.access import Token

#: How long a sign-in lasts, unless its token expires sooner.
SESSION_LASTS = timedelta(hours=12)


class Session(NamedTuple):
    """A sign-in as a browser carries it. ``mark`` ties it to one token, whatever becomes of row ids."""

    token_id: int
    expires_at: datetime
    nonce: str
    mark: str

    def text(self) -> str:
        """The session as signed text, without its signature."""
        return f"{self.token_id}.{int(self.expires_at.timestamp())}.{self.nonce}.{self.mark}"


def start(key: bytes, token: Token, now: datetime) -> Session:
    """A new session of this token."""
    expires = now + SESSION_LASTS
    if token.expires_at is not None:
        expires = min(expires, token.expires_at)
    return Session(token.id, expires.replace(microsecond=0), secrets.token_urlsafe(16), mark(key, token))


def mark(key: bytes, token: Token) -> str:
    """What ties a session to its token without telling anything of it."""
    return _sign(key, "token", token.digest)[:22]


def seal(key: bytes, session: Session) -> str:
    """The cookie's value."""
    return f"{session.text()}.{_sign(key, 'session', session.text())}"


def unseal(key: bytes, value: str, now: datetime) -> Session | None:
    """The session in a cookie, or None where it is forged, damaged or past its end."""
    text, _, signature = value.rpartition(".")
    if not hmac.compare_digest(_sign(key, "session", text).encode(), signature.encode("utf-8", "replace")):
        return None
    # Signed by us, so it has our shape.
    token_id, expires, nonce, tied = text.split(".")
    session = Session(int(token_id), datetime.fromtimestamp(int(expires), UTC), nonce, tied)
    return session if session.expires_at > now else None


def form_token(key: bytes, session: Session | None) -> str:
    """What every form of this session carries, and nobody else can know.

    A program that reads a page with its token in a header has no session and needs none: it gets "".
    """
    return _sign(key, "form", session.text()) if session is not None else ""


def signin_token(key: bytes, nonce: str) -> str:
    """What the sign-in form carries; ``nonce`` is in a cookie of the same browser."""
    return _sign(key, "signin", nonce)


def same(one: str, other: str) -> bool:
    """Whether two signatures are equal, in a time that does not tell where they differ."""
    return hmac.compare_digest(one.encode("utf-8", "replace"), other.encode("utf-8", "replace"))


def _sign(key: bytes, purpose: str, text: str) -> str:
    # The purpose comes first and cannot contain the separator: no signature serves another purpose.
    made = hmac.digest(key, f"{purpose}\0{text}".encode("utf-8", "replace"), hashlib.sha256)
    return base64.urlsafe_b64encode(made).rstrip(b"=").decode()
