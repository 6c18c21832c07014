"""The application is that of every thread, and its Redis channels tell a lost connection as what it is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from kombu.transport import get_transport_cls

from workers import transport
from workers.processes import SOURCE

_ASK = """
import threading
import workers.app
from celery import current_app
told = []
thread = threading.Thread(target=lambda: told.append((current_app.main, current_app.conf.broker_url)))
thread.start(); thread.join()
print(*told[0])
"""


def test_a_thread_has_our_application_and_not_celerys_default(tmp_path: Path) -> None:
    (tmp_path / "catchment.toml").write_text('broker = "redis://127.0.0.1:1/0"\n')
    environment = {**os.environ, "CATCHMENT_SITE": str(tmp_path)}
    asked = subprocess.run(
        [sys.executable, "-c", _ASK], env=environment, cwd=SOURCE, capture_output=True, text=True, check=True
    )
    assert asked.stdout.split() == ["catchment", "redis://127.0.0.1:1/0"]


def test_a_channel_without_connection_says_that_it_is_gone() -> None:
    transport.use()
    kind = get_transport_cls("redis")
    assert kind is transport.Transport
    channel = object.__new__(kind.Channel)
    for gone in (None, SimpleNamespace(client=None)):
        channel.connection = gone
        with pytest.raises(ConnectionError, match="is gone"):
            channel._connparams()
    assert ConnectionError in kind.connection_errors or issubclass(ConnectionError, kind.connection_errors)
