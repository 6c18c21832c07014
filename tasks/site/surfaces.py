"""Settings of what people reach: the pages and the API, the dashboard, and the server that takes mails."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field, SecretStr


class Web(BaseModel, extra="forbid"):
    """The HTTP API and the pages."""

    host: str = Field("127.0.0.1", description="Address to listen on. Loopback unless you say otherwise.")
    port: int = Field(8765, ge=1, le=65535, description="Port of the pages and the API.")
    secure_cookies: bool = Field(
        False, description="Set when the pages are behind TLS: cookies are then sent over TLS alone."
    )
    push_per_second: float = Field(
        500.0, gt=0, description="Notifications that one token may push in a second, on average."
    )
    push_burst: int = Field(5000, ge=1, description="So many may come at once after a pause.")
    push_events: int = Field(1000, ge=1, le=10_000, description="Notifications in one push, at the most.")
    push_bytes: int = Field(
        8_388_608, ge=1024, le=16_777_216, description="The longest push; one notification: catch.body_limit_bytes."
    )
    keystone_cloud: str = Field(
        "", description="Cloud of clouds.yaml whose Keystone checks the tokens of tenants (docs/esi.md). Empty: none."
    )
    keystone_admins: list[str] = Field(
        default=["admin", "esi_leap_admin"], description="Roles of Keystone that see the events of all projects."
    )


class Flower(BaseModel, extra="forbid"):
    """The dashboard of workers and tasks."""

    host: str = Field("127.0.0.1", description="Address to listen on. Loopback unless you say otherwise.")
    port: int = Field(5555, ge=1, le=65535, description="Port of Flower.")
    user: str = Field("catchment", description="Name to sign in with.")
    password_file: Path | None = Field(None, description="File that holds the password. Made at random when absent.")


class Mail(BaseModel, extra="forbid"):
    """The server that takes mails."""

    host: str = Field("127.0.0.1", description="SMTP server.")
    port: int = Field(25, ge=1, le=65535, description="Its port.")
    sender: str = Field("catchment@localhost", description="From address.")
    security: Literal["none", "starttls", "tls"] = Field("none", description="How the conversation is protected.")
    user: str | None = Field(None, description="Name to sign in with, if the server asks.")
    password: SecretStr | None = Field(None, description="Better given as CATCHMENT_MAIL__PASSWORD or password_file.")
    password_file: Path | None = Field(None, description="File that holds the password.")
    ca_file: Path | None = Field(None, description="Certificates to trust for TLS, instead of the system's.")
