"""The action ``snmp_trap``: tell an SNMP receiver, by a trap or by an inform that it answers."""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, Field, StringConstraints, ValidationInfo, field_validator

from tasks.effects.contracts import Done, EffectContext
from tasks.effects.secrets import redact_text, reveal
from tasks.effects.snmp_values import BadValue, Bound, bound
from tasks.model.errors import CatchmentError, Permanent, Transient

#: The enterprise under which ManageIQ's receivers know such traps, and its branch for each severity (spec 4.5).
ENTERPRISE = "1.3.6.1.4.1.33482"
SEVERITIES: Mapping[str, str] = {"info": f"{ENTERPRISE}.1", "warning": f"{ENTERPRISE}.2", "error": f"{ENTERPRISE}.3"}
#: Variables by name: their number below the trap's own OID.
NAMES: Mapping[str, int] = {
    name: number
    for number, name in enumerate(
        ("description", "category", "message", "object", "location", "platform", "url", "source", "custom1", "custom2"),
        1,
    )
}
#: Our own engine where none is named (RFC 3411): that enterprise, format 4 (text), and a word.
ENGINE_ID = "80" + f"{33482:06x}" + "04" + b"catchment".hex()
MAX_VARIABLES = 64
#: SNMPv3 takes no shorter pass phrase (RFC 3414 11.2).
MIN_KEY = 8

_OID = re.compile(r"[0-2](\.\d{1,10}){1,127}")

ValueType = Literal[
    "Integer32",
    "Unsigned32",
    "OctetString",
    "ObjectIdentifier",
    "IpAddress",
    "Counter32",
    "Counter64",
    "Gauge32",
    "TimeTicks",
]
AuthProtocol = Literal["none", "MD5", "SHA", "SHA224", "SHA256", "SHA384", "SHA512"]
PrivProtocol = Literal["none", "DES", "AES128", "AES192", "AES256"]


class Variable(BaseModel, extra="forbid"):
    """One variable of a trap."""

    oid: str = Field(description="Its OID, or one of the names of docs/alerts.md, such as description.")
    type: ValueType = Field("OctetString", description="What it is to SNMP.")
    value: str | int = Field(description="The value; a text may hold ${…}.")

    @field_validator("oid")
    @classmethod
    def _is_an_oid(cls, oid: str) -> str:
        if oid not in NAMES and not is_oid(oid):
            raise ValueError(f"write it as 1.3.6.1.4.1.…, or as one of {', '.join(NAMES)}")
        return oid


class TrapParams(BaseModel, extra="forbid"):
    """To whom, by which version of SNMP, and what. Secrets are named as ${env:NAME} or ${file:path}."""

    host: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._:-]{1,253}$")] = Field(
        description="The receiver: a name, or an IPv4 or IPv6 address."
    )
    port: int = Field(162, ge=1, le=65535, description="Its UDP port.")
    version: Literal["v2c", "v3"] = Field("v2c", description="Which SNMP: v2c with a community, v3 with a user.")
    kind: Literal["trap", "inform"] = Field("trap", description="A trap is not answered; an inform is, or tried again.")
    community: str | None = Field(None, validate_default=True, description="The community of v2c, by reference.")
    user: str | None = Field(
        None,
        validate_default=True,
        min_length=1,
        max_length=32,
        description="The user of v3, as the receiver knows it.",
    )
    auth_protocol: AuthProtocol = Field("none", description="How v3 signs.")
    auth_key: str | None = Field(None, validate_default=True, description="The pass phrase to sign with, by reference.")
    priv_protocol: PrivProtocol = Field("none", description="How v3 encrypts.")
    priv_key: str | None = Field(
        None, validate_default=True, description="The pass phrase to encrypt with, by reference."
    )
    engine_id: Annotated[str, StringConstraints(pattern=r"^(0x)?([0-9A-Fa-f]{2}){5,32}$")] | None = Field(
        None, description="Our own engine id in v3 traps, in hexadecimal; the receiver knows the user by it."
    )
    trap_oid: str | None = Field(
        None, description=f"What it is to the receiver. {ENTERPRISE}.1, .2 or .3 by the alert's severity otherwise."
    )
    variables: list[Variable] = Field(
        default_factory=list,
        max_length=MAX_VARIABLES,
        description="What it carries. What happened, to which object and by which rule when none are given.",
    )
    timeout_seconds: float = Field(10.0, gt=0, le=60, description="The longest wait for the answer to an inform.")

    @field_validator("trap_oid")
    @classmethod
    def _is_an_oid(cls, oid: str | None) -> str | None:
        if oid is not None and not is_oid(oid):
            raise ValueError("write it as 1.3.6.1.4.1.…")
        return oid

    @field_validator("community", "user")
    @classmethod
    def _belongs_to_the_version(cls, value: str | None, info: ValidationInfo) -> str | None:
        version, own = info.data.get("version"), {"community": "v2c", "user": "v3"}[str(info.field_name)]
        if version == own and value is None:
            raise ValueError(f"{version} needs one")
        if version is not None and version != own and value is not None:
            raise ValueError(f"only {own} has one: remove it, or set version: {own}")
        return value

    @field_validator("auth_protocol", "priv_protocol")
    @classmethod
    def _is_of_v3(cls, protocol: str, info: ValidationInfo) -> str:
        if protocol == "none":
            return protocol
        if info.data.get("version") == "v2c":
            raise ValueError("v2c cannot do that: set version: v3")
        if info.field_name == "priv_protocol" and info.data.get("auth_protocol") == "none":
            raise ValueError("v3 encrypts only what it signs: set auth_protocol too")
        return protocol

    @field_validator("auth_key", "priv_key")
    @classmethod
    def _belongs_to_its_protocol(cls, key: str | None, info: ValidationInfo) -> str | None:
        name = str(info.field_name).replace("key", "protocol")
        protocol = info.data.get(name)
        if protocol == "none" and key is not None:
            raise ValueError(f"it is not used: set {name}, or remove it")
        if protocol not in (None, "none") and key is None:
            raise ValueError(f"{protocol} needs one")
        return key

    @field_validator("community", "auth_key", "priv_key")
    @classmethod
    def _is_a_reference(cls, secret: str | None) -> str | None:
        if secret is not None and not secret.startswith(("${env:", "${file:")):
            # The text itself is not repeated: it may well be the secret.
            raise ValueError("name it as ${env:NAME} or ${file:path}: a secret does not belong in this file")
        return secret


class SnmpTrap:
    """Sends one notification. A trap is done once it is sent, an inform once the receiver has answered."""

    name: ClassVar[str] = "snmp_trap"
    params: ClassVar[type[BaseModel]] = TrapParams
    limit_seconds: ClassVar[float] = 60.0

    def run(self, params: TrapParams, context: EffectContext) -> Done:
        """Send once.

        Raises ``Transient`` where the receiver's name is not known or an inform is not answered, ``Permanent``
        where a value is none of its type, the receiver refuses the user, or the whole is too large.
        """
        # Not above: the library takes its time to load, and whoever sends nothing need not wait for it.
        from tasks.effects import snmp_send

        trap_oid = params.trap_oid or SEVERITIES.get(context.rule.get("severity") or "", SEVERITIES["info"])
        bounds = [_bound(number, one, trap_oid) for number, one in enumerate(_variables(params, context), 1)]
        secrets: list[str] = []
        keys = {name: _secret(name, getattr(params, name), context, secrets) for name in _SECRET}
        notification = snmp_send.Notification(
            kind=params.kind,
            address=_address(params.host, params.port),
            trap_oid=trap_oid,
            bounds=bounds,
            seconds=params.timeout_seconds,
            sender=snmp_send.Sender(
                community=keys["community"],
                user=params.user,
                auth=(params.auth_protocol, keys["auth_key"]),
                priv=(params.priv_protocol, keys["priv_key"]),
                engine_id=bytes.fromhex((params.engine_id or ENGINE_ID).removeprefix("0x")),
            ),
        )
        receiver = f"{params.host}:{params.port}"
        try:
            snmp_send.send(notification, receiver)
        except CatchmentError as mistake:
            # Without its cause: what the library said may hold a secret.
            raise type(mistake)(redact_text(str(mistake), secrets, 500)) from None
        detail: dict[str, Any] = {"trap_oid": trap_oid, "variables": len(bounds)}
        if cut := [one.oid for one in bounds if one.cut]:
            detail["cut"] = cut
        return Done(f"{receiver} {'answered the inform' if params.kind == 'inform' else 'was sent the trap'}", detail)


_SECRET = ("community", "auth_key", "priv_key")


def is_oid(text: str) -> bool:
    """Whether a text is an OID that SNMP can carry."""
    if not _OID.fullmatch(text):
        return False
    numbers = [int(part) for part in text.split(".")]
    return all(number < 2**32 for number in numbers) and (numbers[0] == 2 or numbers[1] < 40)


def _variables(params: TrapParams, context: EffectContext) -> list[Variable]:
    if params.variables:
        return params.variables
    event, rule, target = context.event, context.rule, context.target
    about = f"{target['kind']}/{target['id']}" if target else ""
    told = {
        "description": rule.get("summary") or rule.get("name") or event.get("event_type"),
        "category": event.get("event_type"),
        "object": f"{about} {target.get('name') or ''}".strip() if target else None,
        "source": event.get("provider"),
        "custom1": rule.get("severity"),
        "custom2": context.key,
    }
    return [Variable(oid=name, type="OctetString", value=str(value)) for name, value in told.items() if value]


def _bound(number: int, variable: Variable, trap_oid: str) -> Bound:
    oid = f"{trap_oid}.{NAMES[variable.oid]}" if variable.oid in NAMES else variable.oid
    try:
        return bound(oid, variable.type, variable.value)
    except BadValue as mistake:
        raise Permanent(
            f"variable {number} ({variable.oid}) is no {variable.type}: {mistake}. Correct its value or its type"
        ) from None


def _secret(name: str, reference: str | None, context: EffectContext, secrets: list[str]) -> str | None:
    if reference is None:
        return None
    secret, found = reveal(reference, context)
    secrets += found
    if name != "community" and len(secret.encode()) < MIN_KEY:
        raise Permanent(f"{name} has fewer than {MIN_KEY} characters: SNMPv3 takes none so short")
    return secret


def _address(host: str, port: int) -> tuple[str, int]:
    """The receiver's numeric address."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError) as mistake:
        reason = getattr(mistake, "strerror", None) or type(mistake).__name__
        raise Transient(f"the address of {host} is not to be had: {reason}") from None
    address = found[0][4]
    return str(address[0]), port
