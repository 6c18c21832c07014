"""The options of an oVirt provider in ``providers.yaml``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, Field, SecretStr, field_validator, model_validator

#: Event types that no operator wants and every engine writes in masses (spec capture 3.1).
IGNORED = (
    "UNASSIGNED",
    "USER_REMOVE_VG",
    "USER_REMOVE_VG_FAILED",
    "USER_VDC_LOGIN",
    "USER_VDC_LOGIN_FAILED",
    "USER_VDC_LOGOUT",
)
#: The path of an engine below its host.
ENGINE = "/ovirt-engine"


def _absolute(path: Path) -> Path:
    if not path.is_absolute():
        raise ValueError("name the file by its absolute path")
    return path


class OvirtOptions(BaseModel, extra="forbid"):
    """What an operator can say of an oVirt or RHV provider."""

    cloud: None = Field(None, description="Nothing: an engine is in no clouds.yaml.")
    url: str = Field(description="The engine: https://engine.example.org/ovirt-engine.")
    username: str = Field("admin@internal", min_length=1, max_length=255, description="Who signs in: user@profile.")
    password: SecretStr = Field(description="Password: a reference such as ${file:secrets/engine}.")
    sign_in: Literal["token", "basic"] = Field(
        "token", description="token: one sign-in for many requests. basic: the password with every request."
    )
    ca_file: Annotated[Path, AfterValidator(_absolute)] | None = Field(
        None, description="File of the engine's certificate authority. Empty: the system's."
    )
    insecure: bool = Field(False, description="Take any certificate, and http:// addresses: for tests alone.")
    timeout_seconds: float = Field(30.0, gt=0, le=600, description="Time that one answer may take as a whole.")
    # No closed list of words: an installed package may bring a monitor, and the site knows them all.
    monitor: str = Field("auto", description="Where events come from. auto: the engine's event log.")
    monitor_options: dict[str, Any] = Field(
        default_factory=dict, description="Options of a monitor that an installed package brings."
    )
    event_skip_history: bool = Field(
        True, description="Begin with the newest event at the very first poll, and leave out what was before."
    )
    event_late_seconds: float = Field(
        30.0,
        ge=0,
        le=3600,
        description="How long an id that was left out is waited for: it may belong to a late event.",
    )
    page_limit: int = Field(500, ge=10, le=5000, description="Events asked for in one request.")
    ignore: list[str] = Field(
        default=list(IGNORED), description="Event types that are counted as rejected and not kept."
    )
    inventory: Literal["auto", "none"] = Field("auto", description="none: no inventory is read of this provider.")

    @field_validator("cloud", mode="before")
    @classmethod
    def _is_no_cloud(cls, given: Any) -> None:
        if given is not None:
            raise ValueError("an engine is in no clouds.yaml. Take it away, and say url, username and password here")

    @field_validator("url")
    @classmethod
    def _is_an_engine(cls, url: str) -> str:
        """The address without what it may end in: a slash, or the API's own path."""
        try:
            parts = urlsplit(url.strip())
            plain = bool(parts.hostname) and parts.port != 0 and not (parts.username or parts.password)
        except ValueError:
            plain = False
        if not plain or parts.scheme not in {"http", "https"} or parts.query or parts.fragment:
            raise ValueError("write it as https://engine.example.org/ovirt-engine, without a user or a password")
        path = parts.path.rstrip("/").removesuffix("/api").rstrip("/") or ENGINE
        return f"{parts.scheme}://{parts.netloc}{path}"

    @model_validator(mode="after")
    def _is_guarded(self) -> Self:
        if self.insecure and self.ca_file is not None:
            raise ValueError("ca_file has no meaning with insecure: true. Take one of them away")
        if not self.insecure and self.url.startswith("http:"):
            raise ValueError("the password would go over http in the clear: use https, or say insecure: true")
        return self
