"""How the cloud says no: a status and the words for it, put into each service's own form by its API."""

from __future__ import annotations


class Refusal(Exception):
    """A request that is not granted. ``status`` is the HTTP status, ``kind`` the object kind it is about."""

    status = 500

    def __init__(self, message: str, kind: str = "", key: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.kind = kind
        self.key = key


class BadRequest(Refusal):
    """The request makes no sense."""

    status = 400


class NotSignedIn(Refusal):
    """No token, or one that is not valid any more."""

    status = 401

    def __init__(self, message: str = "The request you have made requires authentication.") -> None:
        super().__init__(message)


class Forbidden(Refusal):
    """The token's roles do not allow it."""

    status = 403


class Missing(Refusal):
    """There is no such object."""

    status = 404


class NotAcceptable(Refusal):
    """A microversion that is not spoken here."""

    status = 406


class Conflict(Refusal):
    """The object's state does not allow it."""

    status = 409
