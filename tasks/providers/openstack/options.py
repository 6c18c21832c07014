"""The options of an OpenStack provider in ``providers.yaml``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal
from urllib.parse import quote, urlsplit, urlunsplit

from pydantic import BaseModel, Field, field_validator

from tasks.model.errors import SignedOut

#: Event types that no operator wants and every cloud sends in masses (spec capture 3.1).
IGNORED = (
    "identity.authenticate",
    "scheduler.run_instance.start",
    "scheduler.run_instance.scheduled",
    "scheduler.run_instance.end",
)

#: Exchanges that OpenStack services publish to, with their topics (spec capture 2.2, 2.3).
EXCHANGES: dict[str, tuple[str, ...]] = {
    "nova": ("notifications.*", "versioned_notifications.*"),
    **dict.fromkeys(("openstack", "cinder", "glance", "heat", "keystone", "neutron", "ironic"), ("notifications.*",)),
}


class Tls(BaseModel, extra="forbid"):
    """How the broker's certificate is checked, and our own if it asks for one."""

    ca: Path | None = Field(None, description="File of the certificate authority. Empty: the system's.")
    cert: Path | None = Field(None, description="File of our certificate.")
    key: Path | None = Field(None, description="File of our key.")
    verify: bool = Field(True, description="Check the broker's certificate and name.")


class Amqp(BaseModel, extra="forbid"):
    """The notification bus: where it is and what of it is caught."""

    urls: list[str] = Field(min_length=1, description="Brokers, tried in turn: amqp://user@host:5672 or amqps://….")
    password_env: str | None = Field(None, description="Environment variable that holds the password.")
    password_file: Path | None = Field(None, description="File that holds the password.")
    virtual_host: str | None = Field(None, description="Virtual host, if the URL names none. Default: /.")
    exchanges: dict[str, list[str]] = Field(
        default_factory=lambda: {name: list(topics) for name, topics in EXCHANGES.items()},
        description="Exchanges and the routing keys that are bound from each.",
    )
    queue: str | None = Field(None, max_length=255, description="Our queue. Default: catchment.<provider>.")
    queue_ttl_seconds: int | None = Field(
        None, ge=60, description="Messages older than this are dropped by the broker."
    )
    queue_max_length: int | None = Field(None, ge=1000, description="The queue holds at most so many messages.")
    prefetch: int = Field(1000, ge=1, le=65535, description="Messages that the broker hands over before it waits.")
    heartbeat_seconds: int = Field(30, ge=2, description="Silence after which the connection counts as dead.")
    connect_seconds: float = Field(5.0, gt=0, description="Time for a connection to come about.")
    tls: Tls = Field(default_factory=Tls, description="Used with amqps:// URLs.")

    @field_validator("urls")
    @classmethod
    def _are_amqp(cls, urls: list[str]) -> list[str]:
        for url in urls:
            parts = urlsplit(url)
            if parts.scheme not in {"amqp", "amqps"} or not parts.hostname:
                raise ValueError("each URL has the form amqp://user@host:5672 or amqps://user@host:5671")
        return urls

    def broker_urls(self) -> list[str]:
        """The URLs with password and virtual host filled in. Raises ``SignedOut`` where the password is not to be had."""
        password = self._password()
        return [_filled(url, password, self.virtual_host) for url in self.urls]

    def _password(self) -> str | None:
        if self.password_env:
            if self.password_env not in os.environ:
                raise SignedOut(f"amqp.password_env names {self.password_env}, which is not in the environment")
            return os.environ[self.password_env]
        if self.password_file:
            try:
                return self.password_file.read_text(encoding="utf-8").strip()
            except OSError as error:
                raise SignedOut(f"amqp.password_file {self.password_file} cannot be read: {error.strerror}") from error
        return None


def _filled(url: str, password: str | None, virtual_host: str | None) -> str:
    parts = urlsplit(url)
    user = parts.username or "guest"
    secret = password if password is not None else parts.password
    credentials = user if secret is None else f"{user}:{quote(secret, safe='') if password is not None else secret}"
    port = parts.port or (5671 if parts.scheme == "amqps" else 5672)
    path = parts.path if len(parts.path) > 1 else "/" + quote(virtual_host or "/", safe="")
    return urlunsplit(
        ("amqp", f"{credentials}@{parts.hostname}:{port}", path, parts.query, "tls" if parts.scheme == "amqps" else "")
    )


class OpenStackOptions(BaseModel, extra="forbid"):
    """What an operator can say of an OpenStack provider."""

    monitor: Literal["auto", "amqp", "panko", "ceilometer", "none"] = Field(
        "auto", description="Where events come from. auto: the best of these that is available."
    )
    amqp: Amqp | None = Field(None, description="The notification bus.")
    event_skip_history: bool = Field(False, description="Begin now, and leave what the event API has from before.")
    event_backread_seconds: float = Field(
        5.0, ge=0, le=3600, description="How far behind the newest event the event API is read again for late ones."
    )
    page: int = Field(100, ge=1, le=1000, description="Events asked for in one request to an event API.")
    ignore: list[str] = Field(
        default=list(IGNORED), description="Event types that are counted as rejected and not kept."
    )
    inventory: Literal["auto", "none"] = Field("auto", description="none: no inventory is read of this provider.")
