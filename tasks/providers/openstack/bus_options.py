"""The options of OpenStack's notification bus: brokers, exchanges, and our queue."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import AfterValidator, BaseModel, Field, SecretStr, StringConstraints, field_validator, model_validator

from tasks.model.errors import SignedOut

#: The routing keys that services publish with unless they are told otherwise (spec capture 2.2).
TOPIC = "notifications.*"
#: Where OpenStack services publish, and nova's second payload kind (spec capture 2.2, 2.3). Cinder's
#: exchange is ``openstack`` unless it is set, so both are listened to.
EXCHANGES: Mapping[str, tuple[str, ...]] = {
    "nova": (TOPIC, "versioned_notifications.*"),
    **dict.fromkeys(("openstack", "cinder", "glance", "heat", "keystone", "neutron"), (TOPIC,)),
    # The second one has all that ironic says of its nodes, the first the readings of their sensors.
    "ironic": (TOPIC, "ironic_versioned_notifications.*"),
}
_URL = "write it as amqp://user@host:5672/vhost or amqps://…, with the password apart (amqp.password)"


def _absolute(path: Path) -> Path:
    if not path.is_absolute():
        raise ValueError("name the file by its absolute path")
    return path


#: A name as AMQP carries it: at most 255 bytes.
Name = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f]+$")]
AbsolutePath = Annotated[Path, AfterValidator(_absolute)]


@dataclass(frozen=True, slots=True)
class Broker:
    """One broker with everything needed to sign in to it."""

    host: str
    port: int
    user: str
    virtual_host: str
    tls: bool
    password: str = field(repr=False)

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class Tls(BaseModel, extra="forbid"):
    """How the broker's certificate is checked, and our own where it asks for one."""

    ca: AbsolutePath | None = Field(None, description="File of the certificate authority. Empty: the system's.")
    cert: AbsolutePath | None = Field(None, description="File of our certificate.")
    key: AbsolutePath | None = Field(None, description="File of our key.")
    verify: bool = Field(True, description="Check the broker's certificate and name.")

    @model_validator(mode="after")
    def _key_has_cert(self) -> Self:
        if self.key and not self.cert:
            raise ValueError("a key without its certificate cannot be used: name cert as well")
        return self

    def settings(self, broker: Broker) -> dict[str, Any]:
        """TLS as py-amqp wants it. Raises ``OSError`` naming a file that cannot be read."""
        files = {"ca_certs": self.ca, "certfile": self.cert, "keyfile": self.key}
        for path in files.values():
            if path is not None:
                path.open("rb").close()
        return {
            "cert_reqs": ssl.CERT_REQUIRED if self.verify else ssl.CERT_NONE,
            # py-amqp checks the name exactly where it is given one.
            **({"server_hostname": broker.host.strip("[]")} if self.verify else {}),
            **{key: str(path) for key, path in files.items() if path is not None},
        }


class BusExchange(BaseModel, extra="forbid"):
    """One exchange, and what of it is caught."""

    exchange: Name = Field(description="Name of the exchange.")
    topics: list[Name] = Field(default=[TOPIC], min_length=1, description="Routing keys to bind our queue with.")
    durable: bool | None = Field(
        None, description="How to make the exchange where it is absent. Empty: like those that are there."
    )


class Amqp(BaseModel, extra="forbid"):
    """The notification bus: where it is, and what of it is caught."""

    urls: list[SecretStr] = Field(
        min_length=1, description="Brokers, tried in turn: amqp://user@host:5672/vhost, or amqps:// with TLS."
    )
    password: SecretStr | None = Field(None, description="Password: a reference such as ${file:secrets/bus}.")
    password_env: str | None = Field(None, description="Environment variable that holds the password.")
    password_file: AbsolutePath | None = Field(None, description="File that holds the password.")
    virtual_host: str | None = Field(None, max_length=255, description="Virtual host where a URL names none.")
    exchanges: list[BusExchange] = Field(
        default_factory=lambda: [BusExchange(exchange=name, topics=list(topics)) for name, topics in EXCHANGES.items()],
        min_length=1,
        description="Exchanges, each with the routing keys that are bound.",
    )
    queue: Name | None = Field(None, description="Our queue. Empty: catchment.<provider>.")
    queue_ttl_seconds: int | None = Field(
        None, ge=60, le=4_294_967, description="The broker drops messages that wait longer than this."
    )
    queue_max_length: int | None = Field(
        None, ge=1000, le=2**31 - 1, description="The broker drops the oldest messages beyond this number."
    )
    prefetch: int = Field(1000, ge=1, le=65535, description="Messages that the broker hands over before it waits.")
    # The broker itself looks after each interval whether two of them were silent, and gives what we held to another
    # consumer only then: three times this must stay within 30 s.
    heartbeat_seconds: int = Field(6, ge=2, le=600, description="Twice this silence ends the connection.")
    connect_seconds: float = Field(5.0, gt=0, le=60, description="Time that one broker has to take a connection.")
    tls: Tls = Field(default_factory=Tls, description="Used with amqps:// URLs.")

    @field_validator("urls")
    @classmethod
    def _are_amqp(cls, urls: list[SecretStr]) -> list[SecretStr]:
        for url in urls:
            _split(url.get_secret_value())
        return urls

    @field_validator("exchanges", mode="before")
    @classmethod
    def _as_list(cls, given: Any) -> Any:
        """Also takes the short form: a mapping from exchange to topics."""
        if not isinstance(given, Mapping):
            return given
        return [
            {"exchange": name, **topics}
            if isinstance(topics, Mapping)
            else {"exchange": name, "topics": [topics] if isinstance(topics, str) else topics}
            for name, topics in given.items()
        ]

    @model_validator(mode="after")
    def _one_password(self) -> Self:
        if sum(given is not None for given in (self.password, self.password_env, self.password_file)) > 1:
            raise ValueError("name one of password, password_env and password_file")
        return self

    def brokers(self) -> list[Broker]:
        """The brokers with the password filled in; one that is named apart stands above those in URLs.

        Raises :class:`tasks.model.errors.SignedOut` where the password is not to be had.
        """
        password = self._password()
        return [self._broker(_split(url.get_secret_value()), password) for url in self.urls]

    def queue_name(self, provider: str) -> str:
        """The name of our queue for a provider."""
        return self.queue or f"catchment.{provider}"

    def queue_arguments(self) -> dict[str, int]:
        """What the broker is told of our queue."""
        arguments: dict[str, int] = {}
        if self.queue_ttl_seconds is not None:
            arguments["x-message-ttl"] = self.queue_ttl_seconds * 1000
        if self.queue_max_length is not None:
            arguments["x-max-length"] = self.queue_max_length
        return arguments

    def _broker(self, parts: SplitResult, password: str | None) -> Broker:
        secret = password if password is not None else unquote(parts.password or "guest")
        tls = parts.scheme == "amqps"
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else str(parts.hostname)
        virtual_host = unquote(parts.path[1:]) or self.virtual_host or "/"
        user = unquote(parts.username or "guest")
        return Broker(host, parts.port or (5671 if tls else 5672), user, virtual_host, tls, secret)

    def _password(self) -> str | None:
        if self.password is not None:
            return self.password.get_secret_value()
        if self.password_env is not None:
            if self.password_env not in os.environ:
                raise SignedOut(f"amqp.password_env names {self.password_env}, which is not in the environment: set it")
            return os.environ[self.password_env]
        if self.password_file is not None:
            try:
                return self.password_file.read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                why = getattr(error, "strerror", None) or "it is no UTF-8 text"
                raise SignedOut(f"amqp.password_file {self.password_file} cannot be read: {why}") from None
        return None


def _split(url: str) -> SplitResult:
    """A broker's URL in parts. Raises ``ValueError`` that does not repeat it: it may hold a password."""
    try:
        parts = urlsplit(url)
        named = bool(parts.hostname) and parts.port != 0
    except ValueError:
        named = False
    if not named or parts.scheme not in {"amqp", "amqps"} or parts.query or parts.fragment:
        raise ValueError(f"a broker's URL cannot be used: {_URL}") from None
    return parts
