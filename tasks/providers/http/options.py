"""The options of a provider of type ``http``: where its events are, how to ask for them, and how to read them."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, Field, SecretStr, StringConstraints, model_validator

from tasks.providers.http.expressions import Expression
from tasks.providers.http.moments import Format
from tasks.providers.http.tls import Tls

#: The name of a header: letters, digits and a few signs (RFC 9110 5.1).
HeaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$")]
#: The name of a parameter of the query.
Parameter = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[^\x00-\x20&=#?]+$")]


def _address(url: str) -> str:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or parts.fragment or not url.isprintable() or " " in url:
        raise ValueError("write it as https://host:port/path")
    if parts.username is not None or parts.password is not None:
        raise ValueError("leave user and password out of the address and name them in auth")
    return url


class Auth(BaseModel, extra="forbid"):
    """How to sign in: nothing, user and password, a token, the provider's cloud, or a header of your own."""

    by: Literal["none", "basic", "bearer", "keystone", "header"] = Field(
        "none",
        description="basic: user and password. bearer: token. keystone: the provider's cloud. header: any header.",
    )
    user: str | None = Field(None, max_length=255, description="The user, with basic.")
    password: SecretStr | None = Field(None, description="The password, with basic: ${file:…} or ${env:…}.")
    token: SecretStr | None = Field(None, description="The token, with bearer: ${file:…} or ${env:…}.")
    header: HeaderName | None = Field(None, description="The header's name, with header: X-Api-Key.")
    value: SecretStr | None = Field(None, description="The header's value, with header: ${file:…} or ${env:…}.")

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> Self:
        needs = {"basic": ("user", "password"), "bearer": ("token",), "header": ("header", "value")}.get(self.by, ())
        given = [name for name in ("user", "password", "token", "header", "value") if getattr(self, name) is not None]
        _require(f"by: {self.by}", needs, given)
        if ":" in (self.user or ""):
            raise ValueError("user must not have a colon")
        for name in ("token", "value"):
            secret = getattr(self, name)
            if secret is not None and not _fits_header(secret.get_secret_value()):
                raise ValueError(f"{name} has characters that no header can carry")
        return self


class Cursor(BaseModel, extra="forbid"):
    """What to ask for only what is new by: the time of an event, or its id. ``none`` asks for everything each time."""

    by: Literal["time", "id", "none"] = Field(
        "none", description="What the service can be asked from: a time or an id."
    )
    parameter: Parameter | None = Field(None, description="The query parameter that says from where on: since.")
    format: Format = Field("iso", description="How a time is written there.")
    value: Expression | None = Field(
        None, description="JMESPath in an event: what to ask from. Empty: its timestamp or message_id, as by says."
    )
    start: str | None = Field(
        None, max_length=255, description="Where the very first poll begins. Empty: at the beginning."
    )
    overlap_seconds: float = Field(
        30.0, ge=0, le=86_400, description="How far back each poll begins, for events that the service shows late."
    )

    @model_validator(mode="after")
    def _has_parameter(self) -> Self:
        given = ["parameter"] if self.parameter else []
        _require(f"by: {self.by}", () if self.by == "none" else ("parameter",), given)
        return self


class Paging(BaseModel, extra="forbid"):
    """How one answer leads to the next: by the number of the page, a link, or a marker; ``none``: not at all."""

    by: Literal["page", "next", "marker", "none"] = Field(
        "none", description="page: by number. next: by a link in the answer. marker: by a word from the answer."
    )
    parameter: Parameter | None = Field(None, description="The query parameter for the page's number or the marker.")
    first: int = Field(1, ge=0, le=1_000_000, description="The number of the first page, with page.")
    next: Expression | None = Field(
        None, description="JMESPath in the answer: the link, with next. Empty: the Link header."
    )
    marker: Expression | None = Field(
        None, description="JMESPath in the answer: the marker. Empty: the message_id of the last event."
    )
    more: Expression | None = Field(
        None, description="JMESPath in the answer: false or empty when this page is the last."
    )
    size_parameter: Parameter | None = Field(
        None, description="The query parameter for the number of events in a page."
    )
    size: int | None = Field(None, ge=1, le=100_000, description="Events asked for in one page.")
    order: Literal["oldest_first", "newest_first"] = Field(
        "oldest_first", description="How the service sorts its events."
    )

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> Self:
        needs = {"page": ("parameter",), "marker": ("parameter",)}.get(self.by, ())
        owners = {"next": "next", "marker": "marker"}
        given = [name for name in ("parameter", "next", "marker") if getattr(self, name) is not None]
        _require(f"by: {self.by}", needs, given, allowed=tuple(owners.get(self.by, "").split()))
        if self.size_parameter and self.size is None:
            raise ValueError("size_parameter needs size: say how many events to ask for")
        return self


class Mapping(BaseModel, extra="forbid"):
    """JMESPath in one event of the answer; a constant stands in quotes of its own, as ``"'lease'"``."""

    message_id: Expression = Field("message_id", description="What tells this event from all others of the provider.")
    event_type: Expression = Field("event_type", description="The type: what rules and the switchboard know it by.")
    timestamp: Expression = Field("timestamp", description="When it happened.")
    format: Format = Field("iso", description="How the timestamp is written. Without a zone it is UTC.")
    payload: Expression | None = Field(None, description="What the event carries, an object. Empty: the whole event.")
    resource_kind: Expression | None = Field(None, description="The kind of object that it is about: \"'server'\".")
    resource_id: Expression | None = Field(None, description="The id of that object.")
    tenant_id: Expression | None = Field(None, description="The project that it belongs to.")
    actor: Expression | None = Field(None, description="Who brought it about.")
    host: Expression | None = Field(None, description="The host on which it happened.")
    request_id: Expression | None = Field(None, description="The request that it belongs to.")

    @model_validator(mode="after")
    def _object_is_whole(self) -> Self:
        if (self.resource_kind is None) != (self.resource_id is None):
            raise ValueError("resource_kind and resource_id belong together: name both, or neither")
        return self


class HttpOptions(BaseModel, extra="forbid"):
    """What an operator can say of a provider of type ``http``."""

    url: Annotated[str, StringConstraints(min_length=1, max_length=2000), AfterValidator(_address)] = Field(
        description="Address of the service's list of events: https://host:port/path."
    )
    mapping: Mapping = Field(
        default_factory=lambda: Mapping(format="iso"), description="How an event of the answer is read."
    )
    cloud: str | None = Field(None, description="The cloud's name in clouds.yaml, for auth by keystone.")
    # No closed list of words: an installed package may bring a monitor, and the site knows them all.
    monitor: str = Field("http", description="http, or none to read no events; auto asks whether the service answers.")
    monitor_options: dict[str, Any] = Field(
        default_factory=dict, description="Options of a monitor that an installed package brings."
    )
    source: Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,39}$")] = Field(
        "HTTP", description="Word for the service in the switchboard's addresses: EmsEvent/HTTP/<type>."
    )
    auth: Auth = Field(default_factory=lambda: Auth(by="none"), description="How to sign in.")
    tls: Tls = Field(default_factory=lambda: Tls(verify=True), description="Used with https:// addresses.")
    parameters: dict[Parameter, SecretStr | int | bool] = Field(
        default_factory=dict, max_length=50, description="Query parameters of every request."
    )
    headers: dict[HeaderName, str] = Field(
        default_factory=dict, max_length=50, description="Headers of every request. Secrets belong into auth."
    )
    events: Expression = Field("@", description="JMESPath in the answer: the list of events. @ is the answer itself.")
    cursor: Cursor = Field(default_factory=lambda: Cursor(by="none"), description="How to ask only for what is new.")
    paging: Paging = Field(default_factory=lambda: Paging(by="none"), description="How one answer leads to the next.")
    event_skip_history: bool = Field(False, description="Begin now, and leave what the service has from before.")
    timeout_seconds: float = Field(30.0, gt=0, le=60, description="Time that one answer may take as a whole.")
    answer_bytes: int = Field(
        8 * 1024 * 1024, ge=1024, le=16 * 1024 * 1024, description="A larger answer is refused, unread."
    )
    backoff_limit_seconds: float = Field(
        300.0, ge=0, le=3600, description="The longest pause after failures; it grows with the time they last."
    )
    ignore: list[str] = Field(
        default_factory=list, description="Event types that are counted as rejected and not kept."
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.auth.by == "keystone" and not self.cloud:
            raise ValueError("auth by keystone needs cloud: name the cloud of clouds.yaml that the service belongs to")
        if self.auth.by == "keystone" and self.tls != Tls(verify=True):
            raise ValueError("with auth by keystone the certificate is checked as clouds.yaml says: leave tls out")
        used = [self.cursor.parameter, self.paging.parameter, self.paging.size_parameter, *self.parameters]
        twice = sorted({name for name in used if name and used.count(name) > 1})
        if twice:
            raise ValueError(f"the query parameter {twice[0]!r} is given two meanings")
        if any(not _fits_header(value) for value in self.headers.values()):
            raise ValueError("headers: a value has characters that no header can carry")
        return self


def _require(what: str, needs: tuple[str, ...], given: list[str], allowed: tuple[str, ...] = ()) -> None:
    missing = [name for name in needs if name not in given]
    if missing:
        raise ValueError(f"{what} needs {' and '.join(missing)}")
    idle = [name for name in given if name not in needs and name not in allowed]
    if idle:
        raise ValueError(f"{what} does not use {' and '.join(idle)}: take it out")


def _fits_header(value: str) -> bool:
    return value.isprintable() and value.isascii() and value == value.strip()
