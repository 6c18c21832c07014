"""Celery's settings, each number with its reason (STYLE 5.11)."""

from __future__ import annotations

from typing import Any

from kombu.utils.url import parse_url

from beat_schedule import BEAT_SCHEDULE
from tasks.site.settings import Settings
from workers.queues import ROUTES, queues

INCLUDE = (
    "tasks.catch.task",
    "tasks.convert.task",
    "tasks.switchboard.task",
    "tasks.policy.task",
    "tasks.alert.task",
    "tasks.refresh.task",
    "tasks.effects.task",
    "tasks.requests.task",
    "tasks.rules.task",
    "tasks.jobs.task",
    "tasks.conveyor.task",
)


def celery_settings(settings: Settings, broker: str) -> dict[str, Any]:
    """What the Celery application is configured with."""
    return {
        "broker_url": broker,
        "broker_transport_options": transport_options(broker, settings.visibility_seconds),
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "broker_channel_error_retry": True,
        # RabbitMQ gives what a worker held to another one after three times this.
        "broker_heartbeat": 4,
        "include": list(INCLUDE),
        # JSON alone: a message from a broker must never become code.
        "accept_content": ["json"],
        "task_serializer": "json",
        # The ledger has the results; a result back end would double the traffic.
        "task_ignore_result": True,
        "result_backend": None,
        # A message is acknowledged after the commit; a killed child is tried again, a bounded number of times.
        "task_acks_late": True,
        "task_retry_on_worker_lost": True,
        "task_reject_on_worker_lost": False,
        "worker_prefetch_multiplier": 1,
        "task_time_limit": 300,
        "task_soft_time_limit": 270,
        "task_annotations": {
            "refresh.read": {"time_limit": 600, "soft_time_limit": 570},
            "effects.run": {"time_limit": 3900, "soft_time_limit": 3840},
            "jobs.run": {"time_limit": 3900, "soft_time_limit": 3840},
        },
        "task_queues": queues(quorum=_is_amqp(broker)),
        "task_routes": ROUTES,
        "task_default_queue": "control",
        "task_create_missing_queues": False,
        **({"task_default_queue_type": "quorum", "worker_detect_quorum_queues": True} if _is_amqp(broker) else {}),
        "task_send_sent_event": settings.task_events,
        "worker_send_task_events": settings.task_events,
        # The sweep rings again for what a lost message leaves: do not hang on a broker that is away.
        "task_publish_retry_policy": {
            "max_retries": 1 if _is_amqp(broker) else 3,
            "interval_start": 0,
            "interval_step": 0.2,
            "interval_max": 1,
        },
        "worker_max_tasks_per_child": 1000,
        "worker_max_memory_per_child": 400_000,
        "worker_soft_shutdown_timeout": 30,
        "worker_enable_soft_shutdown_on_idle": True,
        # A lost broker must not end a script half way and have it run again. The ledger keeps the lease, and
        # makes nothing of the message that comes a second time.
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "worker_hijack_root_logger": False,
        "beat_schedule": BEAT_SCHEDULE,
        # In memory: the schedule is static, and a file of it can only be broken.
        "beat_scheduler": "celery.beat:Scheduler",
        "beat_enable_remote_control": True,
        "timezone": "UTC",
        "enable_utc": True,
    }


def transport_options(broker: str, visibility_seconds: float) -> dict[str, Any]:
    """What the broker's transport is told: on Redis above all to notice a half-open connection (STYLE 5.1)."""
    if _is_amqp(broker):
        # So long a sender waits for a confirmation, and Celery tries again on the same connection, dead or not,
        # before it takes another one.
        return {"confirm_publish": True, "read_timeout": 3, "write_timeout": 3, "connect_timeout": 5}
    return {
        # Above every time limit but that of effects, whose lease in the ledger decides who tries.
        "visibility_timeout": visibility_seconds,
        # A worker notices within 11 s that nothing comes any more (1 + 2 x 5, in kombu), and whoever sends, here
        # or in one of its children, after 5 s more: both together stay well within 30 s.
        "socket_timeout": 5,
        "socket_connect_timeout": 5,
        "socket_keepalive": True,
        "health_check_interval": 5,
        "unacked_restore_interval": 1,
        "unacked_restore_throttle": 1,
        "global_keyprefix": "catchment:",
    }


def _is_amqp(broker: str) -> bool:
    return str(parse_url(broker)["transport"]) in {"amqp", "pyamqp", "amqps"}
