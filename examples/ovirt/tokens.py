"""The tokens of the engine's single sign-on: issued for a password, checked, expired, revoked."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from examples.cloud.refusals import NotSignedIn
from examples.ovirt.records import User

#: Tokens that are remembered; the oldest are forgotten.
KEPT_TOKENS = 10_000


@dataclass(frozen=True, slots=True)
class Token:
    """A token and whose it is."""

    id: str
    user: User
    expires_at: datetime


class Tokens:
    """All tokens. ``seconds`` is how long one is valid."""

    def __init__(self, clock: Callable[[], datetime], seconds: float = 3600) -> None:
        self.clock = clock
        self.seconds = seconds
        self._tokens: dict[str, Token] = {}

    def issue(self, user: User) -> Token:
        """A new token."""
        token = Token(secrets.token_urlsafe(64), user, self.clock() + timedelta(seconds=self.seconds))
        self._tokens[token.id] = token
        while len(self._tokens) > KEPT_TOKENS:
            del self._tokens[next(iter(self._tokens))]
        return token

    def check(self, header: str | None) -> Token:
        """The token of an ``Authorization`` header. Raises ``NotSignedIn`` for none, an unknown or an old one."""
        kind, _, name = (header or "").partition(" ")
        token = self._tokens.get(name.strip()) if kind.lower() == "bearer" else None
        if token is None or token.expires_at <= self.clock():
            raise NotSignedIn
        return token

    def revoke(self, name: str) -> Token | None:
        """End a token; returns it where there was one."""
        return self._tokens.pop(name, None)

    def revoke_all(self) -> None:
        """End all tokens at once, whatever their holders believe."""
        self._tokens.clear()

    def __len__(self) -> int:
        return len(self._tokens)
