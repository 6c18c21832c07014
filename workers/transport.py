"""kombu's Redis transport, with one error told as what it is.

A worker that acknowledges a message after its connection was lost asks a connection that is gone for its
address. kombu 5.7 answers with an ``AttributeError``, which Celery takes for a fault of the program and ends the
worker; a lost connection it would have survived.
"""

from __future__ import annotations

from typing import Any

from kombu.transport import TRANSPORT_ALIASES, redis


class Channel(redis.Channel):
    """A channel whose connection may be gone."""

    def _connparams(self, *args: Any, **kwargs: Any) -> Any:
        if self.connection is None or self.connection.client is None:
            raise ConnectionError("the connection to the broker is gone")
        return super()._connparams(*args, **kwargs)  # type: ignore[misc]  # the stubs leave it out


class Transport(redis.Transport):
    """The transport that ``redis://`` and ``rediss://`` mean in our processes."""

    Channel = Channel


def use() -> None:
    """Have Celery take it for Redis."""
    for scheme in ("redis", "rediss"):
        TRANSPORT_ALIASES[scheme] = f"{__name__}:{Transport.__name__}"
