"""Pushes to a real web process: answered after the commit, and sent again after its death without harm."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tasks.ledger import tokens
from tasks.ledger.events import Event
from tasks.ledger.migrate import upgrade
from tasks.ledger.session import Ledger
from tests.ground import count, sums
from tests.push_ground import BATCH, cloudevent
from tests.servers import free_port

ROOT = Path(__file__).resolve().parents[2]
EVENTS = [cloudevent(id=str(number)) for number in range(3)]


class Pushed:
    """A site with one webhook provider, and a token that pushes to it."""

    def __init__(self, site: Path) -> None:
        self.port = free_port()
        self.once = site.parent / "once"
        self._site = site
        (site / "var").mkdir(parents=True)
        (site / "catchment.toml").write_text(f"[web]\nport = {self.port}\n")
        (site / "providers.yaml").write_text("providers:\n- {name: racks, type: webhook}\n")
        self.ledger = Ledger(f"sqlite:///{site / 'var' / 'catchment.db'}")
        upgrade(self.ledger)
        with self.ledger.transaction() as session:
            self.token = tokens.make(session, "sender", tokens.PUSH, provider="racks")

    @contextmanager
    def served(self, failpoint: str = "") -> Iterator[subprocess.Popen[str]]:
        """The web process, which dies at the failpoint once."""
        command = [sys.executable, "-m", "workers.web", "--site", str(self._site)]
        environment = {**os.environ, "CATCHMENT_FAILPOINT": f"{failpoint}:{self.once}" if failpoint else ""}
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            assert f"http://127.0.0.1:{self.port}/" in process.stdout.readline()
            yield process
        finally:
            process.kill()
            process.wait()

    def push(self) -> httpx.Response:
        """Push the events."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": BATCH}
        address = f"http://127.0.0.1:{self.port}/api/v1/push/racks"
        return httpx.post(address, content=json.dumps(EVENTS), headers=headers, timeout=60, trust_env=False)


@pytest.fixture
def pushed(tmp_path: Path) -> Iterator[Pushed]:
    found = Pushed(tmp_path / "site")
    yield found
    found.ledger.close()


@pytest.mark.parametrize(("place", "kept"), [("catch.before_commit", 0), ("push.before_answer", 3)])
def test_a_process_that_dies_has_stored_all_or_nothing_and_the_same_may_be_sent_again(
    pushed: Pushed, place: str, kept: int
) -> None:
    with pushed.served(place) as process:
        with pytest.raises(httpx.TransportError):
            pushed.push()
        process.wait(60)
    assert count(pushed.ledger, Event) == kept
    with pushed.served(place):
        answer = pushed.push()
    assert answer.status_code == 202, answer.text
    assert (answer.json()["stored"], answer.json()["duplicate"]) == (3 - kept, kept)
    assert count(pushed.ledger, Event) == 3
    assert sums(pushed.ledger, "racks") == (3 + kept, 3, kept, 0)


def test_no_broker_keeps_nobody_waiting_and_a_half_sent_push_stores_nothing(pushed: Pushed) -> None:
    with pushed.served():
        with socket.create_connection(("127.0.0.1", pushed.port), timeout=60) as sender:
            head = f"POST /api/v1/push/racks HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {pushed.token}\r\n"
            body = json.dumps(EVENTS).encode()
            sender.sendall(f"{head}Content-Type: {BATCH}\r\nContent-Length: {len(body) + 1}\r\n\r\n".encode() + body)
            sender.shutdown(socket.SHUT_WR)
            assert b" 202 " not in sender.recv(4096)
        assert count(pushed.ledger, Event) == 0
        # No broker was started for this site.
        assert pushed.push().json()["stored"] == 3
        assert pushed.push().json()["duplicate"] == 3
