"""The Celery application: ``celery -A workers.app worker -Q …``. The one module whose import has an effect."""

from __future__ import annotations

import logging
import socket
import uuid
from typing import Any

from celery import Celery, signals

from tasks.conveyor.launch import agent_queue
from tasks.model.errors import CatchmentError
from tasks.site.load import site_root
from workers import logs, transport
from workers.config import celery_settings
from workers.embedded import broker_url, wait_for_broker
from workers.installation import load_settings
from workers.queues import own_queue

_root = site_root()
_settings = load_settings(_root)

transport.use()
app = Celery("catchment", set_as_current=True)
# The current application is that of one thread alone: without a default the listener's threads would ring
# the bells of an application that nobody has configured.
app.set_default()
app.conf.update(celery_settings(_settings, broker_url(_settings, _root)))


@signals.setup_logging.connect
def _logging(**_: Any) -> None:
    logs.configure(_settings)


@signals.worker_init.connect
def _worker(**_: Any) -> None:
    # The parent loads and checks the site once; its children inherit it and open connections of their own.
    from workers.start import start

    try:
        wait_for_broker(_settings, _root)
        start(_root).ledger.close()
    except CatchmentError as error:
        # Celery keeps what a signal handler raises to itself and would call such a worker ready.
        logging.getLogger(__name__).critical("the worker does not start: %s", error)
        raise SystemExit(2) from error


@signals.celeryd_after_setup.connect
def _own_queue(instance: Any = None, **_: Any) -> None:
    # A worker that runs jobs takes those of its own host as well.
    taken = instance.app.amqp.queues.consume_from
    if agent_queue(None) in taken:
        host = _settings.agent.name or socket.gethostname()
        instance.app.amqp.queues.select_add(own_queue(host, like=taken[agent_queue(None)]))


@signals.beat_init.connect
def _beat(**_: Any) -> None:
    wait_for_broker(_settings, _root)
    # The first tick at once: nobody should wait twenty seconds to see that it works.
    app.send_task("catch.tick", expires=20)
    app.send_task("rules.start", args=[uuid.uuid4().hex])
