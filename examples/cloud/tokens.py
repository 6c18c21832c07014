"""Keystone's tokens: issued, checked, expired and revoked."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from examples.cloud.records import Actor, Project, User
from examples.cloud.refusals import Missing, NotSignedIn

#: Tokens that are remembered; the oldest are forgotten.
KEPT_TOKENS = 10_000


@dataclass(frozen=True, slots=True)
class Token:
    """A token and what it allows. ``project`` is None for one without a scope."""

    id: str
    user: User
    project: Project | None
    methods: tuple[str, ...]
    audit_id: str
    issued_at: datetime
    expires_at: datetime
    system: bool = False

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles of the user in the token's scope."""
        if self.project is not None:
            return self.user.roles.get(self.project.id, ())
        return max(self.user.roles.values(), key=len, default=()) if self.system else ()

    @property
    def is_admin(self) -> bool:
        """Whether the role ``admin`` is among them."""
        return "admin" in self.roles

    def actor(self, request_id: str) -> Actor:
        """Who does what the request asks. Raises ``NotSignedIn`` for a token without a project."""
        if self.project is None:
            raise NotSignedIn
        return Actor(self.user, self.project, request_id)


class Tokens:
    """All tokens. ``seconds`` is how long one is valid."""

    def __init__(self, clock: Callable[[], datetime], seconds: float = 3600) -> None:
        self.clock = clock
        self.seconds = seconds
        self._tokens: dict[str, Token] = {}

    def issue(self, user: User, project: Project | None, methods: tuple[str, ...], *, system: bool = False) -> Token:
        """A new token."""
        now = self.clock()
        name = "gAAAAA" + secrets.token_urlsafe(48)
        expires = now + timedelta(seconds=self.seconds)
        token = Token(name, user, project, methods, secrets.token_urlsafe(16), now, expires, system)
        self._tokens[name] = token
        while len(self._tokens) > KEPT_TOKENS:
            del self._tokens[next(iter(self._tokens))]
        return token

    def check(self, name: str | None) -> Token:
        """The token of that name. Raises ``NotSignedIn`` for none, an unknown or an expired one."""
        token = self._tokens.get(name or "")
        if token is None or token.expires_at <= self.clock():
            raise NotSignedIn
        return token

    def subject(self, name: str | None) -> Token:
        """A token that somebody asks about. Raises ``Missing`` where it is not valid."""
        try:
            return self.check(name)
        except NotSignedIn as refusal:
            raise Missing("Could not find token.", "token") from refusal

    def revoke(self, name: str) -> None:
        """End a token."""
        self._tokens.pop(name, None)

    def revoke_all(self) -> None:
        """End all tokens at once, whatever their holders believe."""
        self._tokens.clear()
