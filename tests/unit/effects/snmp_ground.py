"""A real receiver of SNMP notifications on a loopback port, which notes what arrived."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pysnmp.carrier.asyncio.dgram import udp
from pysnmp.entity import config, engine
from pysnmp.entity.rfc3413 import ntfrcv
from pysnmp.hlapi.v3arch import asyncio as api

from tasks.effects.snmp import ENGINE_ID

AUTH_KEY = "auth-pass-phrase"
PRIV_KEY = "priv-pass-phrase"
COMMUNITY = "moose"


@dataclass
class Receiver:
    """What arrived: by whom and how safely, and its variables by OID."""

    port: int
    arrived: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    came: threading.Event = field(default_factory=threading.Event)

    def first(self) -> tuple[str, dict[str, Any]]:
        """The first notification, waited for."""
        assert self.came.wait(10), "nothing arrived"
        return self.arrived[0]


@contextmanager
def receiver(auth: Any = api.USM_AUTH_HMAC96_SHA, priv: Any = api.USM_PRIV_CFB128_AES) -> Iterator[Receiver]:
    """A receiver that knows one community, and one v3 user with these protocols, until the block ends."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    found, ready, over = Receiver(port), threading.Event(), threading.Event()

    async def serve() -> None:
        listening = engine.SnmpEngine()
        transport = udp.UdpTransport().open_server_mode(("127.0.0.1", port))
        config.add_transport(listening, udp.DOMAIN_NAME, transport)
        config.add_v1_system(listening, "area", COMMUNITY)
        for engine_id in (None, api.OctetString(hexValue=ENGINE_ID), api.OctetString(hexValue="8000000001020304")):
            config.add_v3_user(listening, "erin", auth, AUTH_KEY, priv, PRIV_KEY, securityEngineId=engine_id)

        seen: list[str] = []

        def look(_engine: Any, _point: Any, variables: Any, _more: Any) -> None:
            level = {1: "noAuthNoPriv", 2: "authNoPriv", 3: "authPriv"}[int(variables["securityLevel"])]
            seen.append(f"{variables['securityName']} {level}")

        def note(_engine: Any, _reference: Any, _context: Any, _name: Any, bindings: Any, _more: Any) -> None:
            found.arrived.append((seen[-1], {str(oid): value for oid, value in bindings}))
            found.came.set()

        listening.observer.register_observer(look, "rfc3412.receiveMessage:request")
        ntfrcv.NotificationReceiver(listening, note)
        while transport.transport is None:
            await asyncio.sleep(0.005)
        ready.set()
        while not over.is_set():
            await asyncio.sleep(0.02)
        listening.close_dispatcher()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield found
    finally:
        over.set()
        thread.join(10)
