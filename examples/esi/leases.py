"""Leases as ESI Leap keeps them, and what the service tells of each: a bus message, and a row of its history."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

LESSEE = "3e3fe276219f4692931f6c96988b135f"
OWNER = "cee57c05087c4476bf8d527507a78260"
#: What a message carries of a lease, and what of its node.
_OF_LEASE = (
    "id", "name", "uuid", "project_id", "owner_id", "purpose", "resource_type", "resource_uuid", "start_time",
    "end_time", "fulfill_time", "expire_time", "status", "properties", "offer_uuid", "parent_lease_uuid",
)  # fmt: skip


class Leases:
    """The state of one service. ``publish`` is called with the level and the body of each message."""

    def __init__(
        self,
        publish: Callable[[str, bytes], None] = lambda _level, _body: None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.leases: dict[str, dict[str, Any]] = {}
        self.offers: dict[str, dict[str, Any]] = {}
        self.nodes: dict[str, dict[str, Any]] = {}
        self.rows: list[dict[str, Any]] = []
        self._publish = publish
        self._clock = clock

    def node(self, name: str, **more: Any) -> str:
        """Enrol a node; returns its id."""
        key = str(more.pop("uuid", None) or uuid.uuid4())
        self.nodes[key] = {
            "uuid": key, "name": name, "owner": "owner-proj", "lessee": None, "maintenance": "False",
            "provision_state": "available", "target_provision_state": None, "power_state": "power off",
            "target_power_state": None, "resource_class": "baremetal", "properties": {"vendor": "foo"},
            "offer_uuid": None, "lease_uuid": None, "future_offers": [], "future_leases": [], **more,
        }  # fmt: skip
        return key

    def create(self, name: str | None, node: str, *, hours: float = 2, **more: Any) -> str:
        """Create a lease; the service tells nobody of it. Returns its id."""
        key = str(more.pop("uuid", None) or uuid.uuid4())
        now = self._clock()
        self.leases[key] = {
            "id": len(self.leases) + 1, "uuid": key, "name": name, "project_id": LESSEE, "owner_id": OWNER,
            "purpose": "test", "resource_type": "ironic_node", "resource_uuid": node, "start_time": _short(now),
            "end_time": _short(now + timedelta(hours=hours)), "fulfill_time": None, "expire_time": None,
            "status": "created", "properties": {}, "offer_uuid": None, "parent_lease_uuid": None, **more,
        }  # fmt: skip
        return key

    def fulfil(self, key: str, *, works: bool = True) -> None:
        """Hand the node over. The message comes before the lease says that it was (spec esi 1)."""
        self._tell(key, "fulfill", "start")
        self._tell(key, "fulfill", "end" if works else "error")
        if works:
            self.leases[key] |= {"status": "active", "fulfill_time": _short(self._clock())}
            self.nodes.get(self.leases[key]["resource_uuid"], {})["lease_uuid"] = key

    def delete(self, key: str, *, works: bool = True) -> None:
        """Take the node back: what the end of a lease does as well."""
        self._tell(key, "delete", "start")
        self._tell(key, "delete", "end" if works else "error")
        status = "deleted" if works else "wait cancel"
        self.leases[key] |= {"status": status, **({"expire_time": _short(self._clock())} if works else {})}
        if works:
            self.nodes.get(self.leases[key]["resource_uuid"], {})["lease_uuid"] = None

    def shown(self, key: str) -> dict[str, Any]:
        """A lease as the API shows it."""
        lease = self.leases[key]
        node = self.nodes.get(lease["resource_uuid"], {})
        more = {
            "project": "other-proj",
            "owner": "owner-proj",
            "resource": node.get("name"),
            "resource_class": node.get("resource_class"),
            "resource_properties": node.get("properties", {}),
        }
        return {**{name: value for name, value in lease.items() if name != "id"}, **more}

    def _tell(self, key: str, action: str, phase: str) -> None:
        lease, now = self.leases[key], self._clock()
        event_type = f"esi_leap.lease.{action}.{phase}"
        level = "error" if phase == "error" else "info"
        self._publish(level, body(event_type, self._payload(lease), now))
        self.rows.append(
            {
                "id": len(self.rows) + 1, "event_type": event_type,
                "event_time": now.replace(tzinfo=None).isoformat(timespec="microseconds"), "object_type": "lease",
                "object_uuid": key, "resource_type": lease["resource_type"],
                "resource_uuid": lease["resource_uuid"], "lessee_id": lease["project_id"],
                "owner_id": lease["owner_id"],
            }
        )  # fmt: skip

    def _payload(self, lease: dict[str, Any]) -> dict[str, Any]:
        node = self.nodes.get(lease["resource_uuid"])
        about = {
            "node_name": node["name"] if node else None,
            "node_uuid": lease["resource_uuid"],
            "node_provision_state": node["provision_state"] if node else "unknown-provision-state",
            "node_power_state": node["power_state"] if node else "unknown-power-state",
            "node_properties": node["properties"] if node else {},
        }
        return {**{name: lease[name] for name in _OF_LEASE}, **about}


def body(
    event_type: str, data: dict[str, Any], at: datetime, *, message_id: str | None = None, envelope: bool = True
) -> bytes:
    """A message as oslo.messaging writes it, in its second format or, without the envelope, in its first."""
    inner = {
        "message_id": message_id or str(uuid.uuid4()),
        "publisher_id": "esi-leap-manager.host1",
        "event_type": event_type,
        "priority": "ERROR" if event_type.endswith(".error") else "INFO",
        "payload": {
            "esi_leap_object.name": "LeaseCRUDPayload",
            "esi_leap_object.namespace": "esi_leap",
            "esi_leap_object.version": "1.0",
            "esi_leap_object.data": data,
        },
        "timestamp": at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f"),
        "_unique_id": uuid.uuid4().hex,
        "_context_request_id": f"req-{uuid.uuid4()}",
        "_context_auth_token": None,
    }
    if not envelope:
        return json.dumps(inner).encode()
    return json.dumps({"oslo.version": "2.0", "oslo.message": json.dumps(inner)}).encode()


def _short(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
