"""The options of Service Telemetry Framework's topic: where its router is, and how to sign in to it."""

from __future__ import annotations

from typing import Self
from urllib.parse import SplitResult, urlsplit

from pydantic import BaseModel, Field, SecretStr, field_validator, model_validator

from tasks.providers.openstack.bus_options import Name, Tls

#: Where the router listens, and the topic of events, unless the deployment says otherwise (spec capture 1.6).
PORT = 5666
ADDRESS = "anycast/ceilometer/event.sample"


class Stf(BaseModel, extra="forbid"):
    """The AMQP 1.0 topic of Service Telemetry Framework."""

    url: str = Field(description="The router: amqp://host:5666, or amqps:// with TLS. User and password stand apart.")
    address: Name = Field(ADDRESS, description="The topic, or the queue of another AMQP 1.0 broker.")
    user: str | None = Field(None, max_length=255, description="Who signs in. Empty: nobody, the router asks no name.")
    password: SecretStr | None = Field(None, description="Password: a reference such as ${file:secrets/stf}.")
    prefetch: int = Field(
        200, ge=1, le=10_000, description="Messages that the router hands over before it waits for acknowledgements."
    )
    heartbeat_seconds: int = Field(6, ge=2, le=600, description="Twice this silence ends the connection.")
    connect_seconds: float = Field(5.0, gt=0, le=60, description="Time that the router has to take a connection.")
    tls: Tls = Field(default_factory=Tls, description="Used with an amqps:// URL.")

    @field_validator("url")
    @classmethod
    def _is_amqp(cls, url: str) -> str:
        _split(url)
        return url

    @model_validator(mode="after")
    def _password_has_user(self) -> Self:
        if self.password is not None and self.user is None:
            raise ValueError("a password without a name to sign in with: name user as well")
        return self

    @property
    def secure(self) -> bool:
        """Whether TLS is spoken."""
        return _split(self.url).scheme == "amqps"

    @property
    def peer(self) -> str:
        """Host and port of the router."""
        parts = _split(self.url)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        return f"{host}:{parts.port or PORT}"


def _split(url: str) -> SplitResult:
    """The URL in parts. Raises ``ValueError`` that does not repeat it: it may hold a password."""
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and parts.port != 0 and parts.username is None and parts.password is None
    except ValueError:
        usable = False
    if not usable or parts.scheme not in {"amqp", "amqps"} or parts.path not in {"", "/"} or parts.query:
        raise ValueError(
            "the router's URL cannot be used: write it as amqp://host:5666 or amqps://…, with stf.user, stf.password "
            "and stf.address apart"
        ) from None
    return parts
