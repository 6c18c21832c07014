"""The exchange with an SNMP receiver, by pysnmp: one datagram out, and for an inform its answer."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pyasn1.error import PyAsn1Error
from pysnmp.error import PySnmpError
from pysnmp.hlapi.v3arch import asyncio as api
from pysnmp.proto import errind, rfc1902

from tasks.effects.snmp_values import Bound
from tasks.model.errors import Permanent, Transient

#: How often an inform is sent within its time, for a datagram may get lost.
SENDINGS = 3
#: What all values may have together, in bytes; the rest of a datagram's 65,507 is for what stands around them.
MAX_BYTES = 56_000
#: What the receiver cannot be brought to take by sending it again.
_REFUSALS = (
    errind.UnknownUserName,
    errind.UnsupportedSecurityLevel,
    errind.WrongDigest,
    errind.AuthenticationError,
    errind.AuthenticationFailure,
    errind.DecryptionError,
    errind.UnsupportedAuthProtocol,
    errind.UnsupportedPrivProtocol,
)
_AUTH: Mapping[str, Any] = {
    "MD5": api.USM_AUTH_HMAC96_MD5,
    "SHA": api.USM_AUTH_HMAC96_SHA,
    "SHA224": api.USM_AUTH_HMAC128_SHA224,
    "SHA256": api.USM_AUTH_HMAC192_SHA256,
    "SHA384": api.USM_AUTH_HMAC256_SHA384,
    "SHA512": api.USM_AUTH_HMAC384_SHA512,
}
_PRIV: Mapping[str, Any] = {
    "DES": api.USM_PRIV_CBC56_DES,
    "AES128": api.USM_PRIV_CFB128_AES,
    "AES192": api.USM_PRIV_CFB192_AES,
    "AES256": api.USM_PRIV_CFB256_AES,
}
_TOO_LARGE = "the notification is too large for one datagram: send fewer or shorter variables"
_UP_TIME, _TRAP_OID = "1.3.6.1.2.1.1.3.0", "1.3.6.1.6.3.1.1.4.1.0"


@dataclass(frozen=True, slots=True)
class Sender:
    """As whom: a community (v2c), or a user with protocols and pass phrases (v3)."""

    community: str | None
    user: str | None
    auth: tuple[str, str | None]
    priv: tuple[str, str | None]
    engine_id: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Notification:
    """One trap or inform: where to, what it is, what it carries, and how long an answer may take."""

    kind: Literal["trap", "inform"]
    address: tuple[str, int]
    trap_oid: str
    bounds: Sequence[Bound]
    seconds: float
    sender: Sender


def send(notification: Notification, receiver: str) -> None:
    """Send it, and wait for the answer where it is an inform.

    ``receiver`` is its name in messages. Raises ``Transient`` where no answer came or the network failed,
    ``Permanent`` where the receiver refuses or the notification cannot be written.
    """
    if sum(_length(one.value) + len(one.oid) for one in notification.bounds) > MAX_BYTES:
        raise Permanent(_TOO_LARGE)
    try:
        said = asyncio.run(_exchange(notification))
    except TimeoutError:
        failed = "did not answer the inform" if notification.kind == "inform" else "could not be sent the trap"
        raise Transient(f"{receiver} {failed} within {notification.seconds:g} s") from None
    except OSError as mistake:
        if mistake.errno == errno.EMSGSIZE:
            raise Permanent(_TOO_LARGE) from None
        raise Transient(f"nothing could be sent to {receiver}: {mistake.strerror or type(mistake).__name__}") from None
    except (PySnmpError, PyAsn1Error) as mistake:
        raise Permanent(f"the notification for {receiver} cannot be written: {_first_line(mistake)}") from None
    if said is None:
        return
    if isinstance(said, errind.RequestTimedOut):
        raise Transient(f"{receiver} did not answer the inform within {notification.seconds:g} s")
    if isinstance(said, _REFUSALS):
        raise Permanent(f"{receiver} refuses the inform: {said}. Look at user, protocols and keys on both sides")
    raise Transient(f"{receiver} did not take the inform: {said}")


def _length(value: int | bytes | str) -> int:
    return 9 if isinstance(value, int) else len(value)


def _first_line(mistake: Exception) -> str:
    lines = [line for line in str(mistake).splitlines() if line.strip()]
    return f"{type(mistake).__name__}, {lines[0][:200]}" if lines else type(mistake).__name__


async def _exchange(notification: Notification) -> Any:
    """What stood in the way of an answer, as the library says it; None where there was none."""
    engine = _engine(notification.sender.engine_id)
    kind = api.Udp6TransportTarget if ":" in notification.address[0] else api.UdpTransportTarget
    target = await kind.create(notification.address, timeout=notification.seconds / SENDINGS, retries=SENDINGS - 1)
    failures: list[OSError] = []
    try:
        async with asyncio.timeout(notification.seconds):
            sending = asyncio.ensure_future(
                api.send_notification(
                    engine,
                    _credentials(notification.sender),
                    target,
                    api.ContextData(),
                    notification.kind,
                    *_bindings(notification),
                    lookupMib=False,
                )
            )
            await asyncio.sleep(0)
            if target.transport is not None:
                target.transport.error_received = failures.append
            said, status, index, _ = await sending
            # A trap counts as sent before its socket is open.
            while target.transport.transport is None:
                await asyncio.sleep(0.005)
    finally:
        engine.close_dispatcher()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(0)
    if failures:
        raise failures[0]
    if said is None and status:
        return f"{status.prettyPrint()} at {index}"
    return said


def _engine(engine_id: bytes) -> Any:
    """An engine of our own id, whose time is the clock's.

    Receivers drop v3 traps whose boots or time went back (RFC 3414 3.2). Every try has an engine of its own,
    on any host, so its boots are always 1 and its time counts from 1970.
    """
    engine = api.SnmpEngine()
    own, boots, started = engine.get_mib_builder().import_symbols(
        "__SNMP-FRAMEWORK-MIB", "snmpEngineID", "snmpEngineBoots", "snmpEngineTime"
    )
    own.syntax = own.syntax.clone(engine_id)
    engine.snmpEngineID = own.syntax
    boots.syntax = boots.syntax.clone(1)
    started.syntax = started.syntax.clone(0)
    return engine


def _credentials(sender: Sender) -> Any:
    if sender.user is None:
        return api.CommunityData("catchment", sender.community, mpModel=1)  # noqa: S508 - the site asks for v2c
    (auth, auth_key), (priv, priv_key) = sender.auth, sender.priv
    return api.UsmUserData(
        sender.user,
        authKey=auth_key,
        privKey=priv_key,
        authProtocol=_AUTH.get(auth),
        privProtocol=_PRIV.get(priv),
    )


def _bindings(notification: Notification) -> list[Any]:
    first = [
        Bound(_UP_TIME, "TimeTicks", int(time.monotonic() * 100) % 2**32),
        Bound(_TRAP_OID, "ObjectIdentifier", notification.trap_oid),
    ]
    return [
        api.ObjectType(api.ObjectIdentity(one.oid), _TYPES[one.type](one.value))
        for one in (*first, *notification.bounds)
    ]


_TYPES: Mapping[str, Any] = {
    "Integer32": rfc1902.Integer32,
    "Unsigned32": rfc1902.Unsigned32,
    "OctetString": rfc1902.OctetString,
    "ObjectIdentifier": rfc1902.ObjectIdentifier,
    "IpAddress": rfc1902.IpAddress,
    "Counter32": rfc1902.Counter32,
    "Counter64": rfc1902.Counter64,
    "Gauge32": rfc1902.Gauge32,
    "TimeTicks": rfc1902.TimeTicks,
}
