"""Notifications of the shape that nova sends, made here: one in five sets policies in motion."""

from __future__ import annotations

import json
import sys
import uuid
from datetime import UTC, datetime, timedelta

import amqp

#: Types by how often they come in ten.
MIX = ("compute.instance.update",) * 6 + (
    "compute.instance.power_off.end",
    "compute.instance.power_on.end",
    "port.update.end",
    "volume.create.end",
)


def body(number: int, objects: int, began: datetime) -> bytes:
    """One oslo.messaging 2.0 body of about two kilobytes."""
    event_type = MIX[number % len(MIX)]
    server = str(uuid.uuid5(uuid.NAMESPACE_OID, f"server-{number % objects}"))
    payload = {
        "instance_id": server,
        "tenant_id": "p1",
        "user_id": "u1",
        "host": "node1",
        "node": "node1",
        "state": "active",
        "memory_mb": 2048,
        "display_name": f"server-{number % objects}",
        "reservation_id": "r-abcd1234",
        "vcpus": 2,
        "disk_gb": 20,
        "metadata": {"owner": "bench"},
        "image_meta": {f"property_{i}": "x" * 40 for i in range(12)},
        "availability_zone": "nova",
        "instance_type": "m1.small",
    }
    if event_type.startswith("port"):
        payload = {
            "port": {
                "id": server,
                "network_id": "n1",
                "tenant_id": "p1",
                "device_id": server,
                "device_owner": "compute:nova",
                "name": "x" * 800,
            }
        }
    if event_type.startswith("volume"):
        payload = {
            "volume_id": server,
            "tenant_id": "p1",
            "user_id": "u1",
            "host": "cinder1@x",
            "status": "available",
            "size": 1,
            "display_name": "x" * 800,
        }
    message = {
        "message_id": str(uuid.uuid4()),
        "publisher_id": "compute.node1",
        "event_type": event_type,
        "priority": "INFO",
        "payload": payload,
        "timestamp": (began + timedelta(microseconds=number * 50)).replace(tzinfo=None).isoformat(sep=" "),
        "_unique_id": uuid.uuid4().hex,
        "_context_request_id": f"req-{uuid.uuid4()}",
        "_context_user_name": "bench",
        "_context_project_id": "p1",
        "_context_roles": ["member"],
    }
    return json.dumps({"oslo.version": "2.0", "oslo.message": json.dumps(message)}).encode()


def publish(exchange: str, events: int, objects: int, host: str = "127.0.0.1:5672") -> None:
    """Publish so many notifications, durable, as fast as the broker takes them."""
    began = datetime.now(UTC)
    with amqp.Connection(host) as connection:
        channel = connection.channel()
        for number in range(events):
            message = amqp.Message(body(number, objects, began), content_type="application/json", delivery_mode=2)
            channel.basic_publish(message, exchange=exchange, routing_key="notifications.info")


if __name__ == "__main__":
    publish(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
