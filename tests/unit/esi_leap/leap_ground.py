"""What the tests of ESI Leap stand on: a lease's data, message bodies, and providers."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from examples.esi.leases import LESSEE, OWNER, body
from examples.esi.running import LeapApi
from tasks.providers.contracts import ProviderConfig
from tasks.providers.esi_leap.options import LeapOptions
from tasks.site.signin import SignIn

AT = datetime(2031, 5, 4, 12, 0, tzinfo=UTC)
LEASE, NODE = "9b05e85f-e322-475f-982e-a9d33cc5a772", "22222222-2222-4222-8222-222222222222"
START, END, ERROR = (f"esi_leap.lease.fulfill.{phase}" for phase in ("start", "end", "error"))


def data(**more: Any) -> dict[str, Any]:
    """What a message carries of a lease."""
    return {
        "id": 7, "name": "L1", "uuid": LEASE, "project_id": LESSEE, "owner_id": OWNER, "purpose": "test",
        "resource_type": "ironic_node", "resource_uuid": NODE, "start_time": "2031-05-04T12:00:00Z",
        "end_time": "2031-05-04T14:00:00Z", "fulfill_time": None, "expire_time": None, "status": "created",
        "properties": {"vendor": "foo", "rack": {"row": 7}}, "offer_uuid": None, "parent_lease_uuid": None,
        "node_name": "node-a", "node_uuid": NODE, "node_provision_state": "available",
        "node_power_state": "power off", "node_properties": {"cores": 16}, **more,
    }  # fmt: skip


def message(event_type: str = END, *, envelope: bool = True, message_id: str | None = None, **more: Any) -> bytes:
    """A body as it comes from the bus."""
    return body(event_type, data(**more), AT, message_id=message_id, envelope=envelope)


def provider(api: LeapApi, folder: Path, **options: Any) -> ProviderConfig:
    """A provider whose cloud entry leads to a simulated service."""
    file = folder / f"clouds-{len(list(folder.iterdir()))}.yaml"
    file.write_text(api.clouds_yaml())
    return ProviderConfig("esi", "esi_leap", LeapOptions(**options), SignIn("esi", file))


def captured(corpus: Path) -> list[dict[str, Any]]:
    """The captured messages, in their order."""
    return [json.loads(path.read_text()) for path in sorted((corpus / "esi").glob("0*.json"))]
