"""Notifications of the shape that nova sends, made here: one in five sets policies in motion."""

from __future__ import annotations

import json
import sys
import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import amqp

#: Types by how often they come in ten.
MIX = ("compute.instance.update",) * 6 + (
    "compute.instance.power_off.end",
    "compute.instance.power_on.end",
    "port.update.end",
    "volume.create.end",
)


def body(number: int, objects: int, moment: datetime, event_type: str | None = None, prefix: str = "server") -> bytes:
    """One oslo.messaging 2.0 body of about two kilobytes: something happened at that moment to one of the objects."""
    event_type = event_type or MIX[number % len(MIX)]
    server = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{prefix}-{number % objects}"))
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
        "timestamp": moment.replace(tzinfo=None).isoformat(sep=" "),
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
            moment = began + timedelta(microseconds=number * 50)
            _send(channel, exchange, body(number, objects, moment))


def pace(exchange: str, rate: float, seconds: float, objects: int, event_type: str, host: str) -> None:
    """Publish at a steady rate for so long; each body says when it was sent."""
    with amqp.Connection(host) as connection:
        channel = connection.channel()
        start = time.monotonic()
        for number in range(int(rate * seconds)):
            ahead = start + number / rate - time.monotonic()
            if ahead > 0:
                time.sleep(ahead)
            prefix = event_type.rpartition(".")[0]
            _send(channel, exchange, body(number, objects, datetime.now(UTC), event_type, prefix))


def _send(channel: Any, exchange: str, content: bytes) -> None:
    message = amqp.Message(content, content_type="application/json", delivery_mode=2)
    channel.basic_publish(message, exchange=exchange, routing_key="notifications.info")


if __name__ == "__main__":
    pace(sys.argv[1], float(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4]), sys.argv[5], sys.argv[6])
