"""A whole installation in real processes, for tests that kill parts of it and count what came of it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, Self

import amqp
import psutil
from sqlalchemy import func, select
from sqlalchemy.orm import aliased

from tasks.ledger import migrate
from tasks.ledger.balance import balance
from tasks.ledger.effects import ASKED, Effect
from tasks.ledger.events import PENDING, Event, Place
from tasks.ledger.providers import Mark
from tasks.ledger.session import Ledger
from workers.embedded import executable
from workers.processes import SOURCE, Processes, procfile

RABBITMQ = "amqp://guest:guest@127.0.0.1:5672"
#: The processes that a fault test needs: inventory is not read, nobody looks at pages.
NEEDED = ("beat", "listener", "catch", "stages", "effects")


@dataclass(slots=True)
class Counters:
    """What field.md 4.1 counts. Lost is accepted and not stored; undecided is stored and not through."""

    attempted: int
    accepted: int
    stored: int
    decided: int
    effects: int
    lost: int
    undecided: int
    duplicate_effects: int
    out_of_order: int
    exact: bool

    def as_dict(self) -> dict[str, Any]:
        """The counters as plain data."""
        return asdict(self)


class Redis:
    """A Redis server of the test's own, on a port of its own."""

    def __init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, empty: it keeps nothing on disk."""
        command = [executable(), "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd="/")
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise AssertionError("the test's Redis does not start")

    def kill(self) -> None:
        """End it at once."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def pause(self) -> None:
        """Stop it where it is: connections are taken, and nothing is answered."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def flush(self) -> None:
        """Throw everything in it away."""
        import redis

        redis.Redis(port=self.port).flushall()


class Stand:
    """One installation: site, ledger, broker, exchange and processes. Use it in a ``with`` statement."""

    def __init__(
        self,
        folder: Path,
        database: str,
        *,
        pause: float = 0.0,
        environment: dict[str, str] | None = None,
        broker: str | None = None,
        bus: Sequence[str] = (RABBITMQ,),
        lines: Sequence[str] = NEEDED,
        publish_to: str = "127.0.0.1:5672",
        fail_first: bool = False,
        tree: Path = SOURCE,
        ledger_revision: str = "head",
        site: Path | None = None,
        clouds: str | None = None,
        inventory: str = "none",
    ) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.name = f"stand_{uuid.uuid4().hex[:10]}"
        self.sink = folder / "sink"
        self._excused: set[str] = set()
        self.redis = Redis()
        self._database = database
        self._pause = pause
        self._extra = {} if environment is None else environment
        self.broker = broker
        self._publish_to = publish_to
        self._fail_first = fail_first
        self._tree = tree
        self._ledger_revision = ledger_revision
        self._more = site
        self._clouds = clouds
        self._inventory = inventory
        self._bus = bus
        self._lines = tuple(lines)
        self._sent = 0
        self._accepted = 0
        self._began = datetime.now(UTC)

    def __enter__(self) -> Self:
        self.redis.start()
        site = self._site()
        self.environment = {
            **{
                k: v for k, v in os.environ.items() if not k.startswith("CATCHMENT_") and k != "PYTHONDONTWRITEBYTECODE"
            },
            "CATCHMENT_SITE": str(site),
            "CATCHMENT_DATABASE": self._database,
            "CATCHMENT_BROKER": self.broker or f"redis://127.0.0.1:{self.redis.port}/0",
            "CATCHMENT_EFFECTS__LEASE_SECONDS": "4",
            "CATCHMENT_CONVEYOR__SWEEP_GRACE_SECONDS": "2",
            "CATCHMENT_CATCH__BATCH": "20",
            **self._extra,
        }
        self.ledger = Ledger(self._database)
        migrate.upgrade(self.ledger, self._ledger_revision)
        self.processes = Processes(self.folder / "logs", self.environment)
        self._channel()
        for name in self._lines:
            self.start(name, self._tree)
        self._wait(self._listening, 60, "the listener does not consume")
        self._wait(self._swept, 60, "the sweep does not run")
        return self

    def __exit__(self, *_: object) -> None:
        self.processes.stop(*self.processes.running)
        self.redis.kill()
        self.ledger.close()
        with amqp.Connection(self._publish_to) as connection:
            channel = connection.channel()
            channel.queue_delete(self.name)
            channel.exchange_delete(self.name)

    def start(self, name: str, tree: Path = SOURCE) -> None:
        """Start a line of the Procfile, as its supervisor would; ``stages-2`` is a second one of ``stages``."""
        line, _, number = name.partition("-")
        command = procfile()[line]
        named = [part.replace("@%h", f"-{number}@%h") if number else part for part in command]
        self.processes.start(name, named, tree)

    def kill(self, name: str) -> None:
        """SIGKILL a process and its children, and start it again."""
        process = self.processes.running.pop(name)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        self.start(name)

    def signal(self, name: str, number: int) -> None:
        """Send a signal to a process and all its children."""
        os.killpg(self.processes.running[name].pid, number)

    def kill_child(self, name: str) -> int:
        """SIGKILL one pool child of a worker that has a child of its own, else any; returns its pid."""
        children = psutil.Process(self.processes.running[name].pid).children()
        busy = next((c for c in children if c.children()), children[0])
        busy.kill()
        return busy.pid

    def revive(self) -> list[str]:
        """Start again what has died; returns the names."""
        dead = list(self.processes.ended())
        for name in dead:
            self.processes.running.pop(name)
            self.start(name)
        return dead

    def publish(self, count: int, *, objects: int = 7, twice: bool = False, shuffle: Random | None = None) -> None:
        """Send numbered notifications that servers were switched off, each perhaps twice, or in any order."""
        bodies = [body for body in self.write(count, objects=objects) for _ in range(2 if twice else 1)]
        if shuffle is not None:
            shuffle.shuffle(bodies)
        self.publish_bodies(bodies)
        # All of them were confirmed by the broker, or we would not be here.
        self.accept(count)

    def write(self, count: int, *, objects: int = 7) -> list[bytes]:
        """The next numbered notifications, for a test that sends them by another road; they count as attempted."""
        numbers = range(self._sent, self._sent + count)
        self._sent += count
        return [notification(number, objects, self._began) for number in numbers]

    def accept(self, count: int) -> None:
        """So many of them were accepted by whom they were sent to."""
        self._accepted += count

    @property
    def attempted(self) -> int:
        """How many numbered notifications were sent."""
        return self._sent

    def publish_bodies(self, bodies: Iterable[bytes]) -> None:
        """Send bodies as they are; they do not count as attempted."""
        channel = self._channel()
        for body in bodies:
            message = amqp.Message(body, delivery_mode=2)
            channel.basic_publish(message, exchange=self.name, routing_key="notifications.info")
        channel.connection.close()

    def quiet(self, seconds: float = 90.0) -> None:
        """Wait until all that was sent is stored, through, and its effects are done."""
        self._wait(self._is_quiet, seconds, "not all that was sent got through")

    def wait_until(self, holds: Callable[[], Any], seconds: float, complaint: str) -> None:
        """Wait until something holds, or fail with the counters and the tails of all logs."""
        self._wait(holds, seconds, complaint)

    def wait_for_effects(self, count: int, seconds: float = 60.0) -> None:
        """Wait until so many effects have begun or ended."""
        self._wait(lambda: self._tried() >= count, seconds, f"{count} effects were not tried")

    def excuse_written(self) -> None:
        """After a kill: effects that have done their work, and whose end the dead worker could not write down.

        Nobody can know of them, so they are done again (at least once, DESIGN 3), and that is no fault.
        """
        time.sleep(0.2)  # Scripts of a dead worker are ended by the kernel.
        lines = set(self.sink.read_text().split()) if self.sink.exists() else set()
        with self.ledger.reading() as session:
            begun = select(Effect.key).where(Effect.state == ASKED, Effect.attempts > 0)
            self._excused |= lines & set(session.scalars(begun))

    def counters(self) -> Counters:
        """Count what came of all that was sent."""
        lines = self.sink.read_text().split() if self.sink.exists() else []
        with self.ledger.reading() as session:
            stored = session.scalar(select(func.count()).select_from(Event).where(~Event.raised)) or 0
            decided = session.scalar(select(func.count()).select_from(Event).where(Event.state != PENDING)) or 0
            pending = session.scalar(select(func.count()).select_from(Place)) or 0
            exact = all(line.exact for line in balance(session))
            # One that came when later ones of its object were through is handled on arrival, and marked late.
            cause = aliased(Event)
            asked = session.execute(
                select(Event.object_key, Event.occurred_at)
                .join(Effect, Effect.event_id == Event.id)
                .join(cause, cause.id == Event.parent_id)
                .where(~cause.late)
                .order_by(Effect.id)
            ).all()
        found = Counters(
            attempted=self._sent,
            accepted=self._accepted,
            stored=stored,
            decided=decided,
            effects=len(set(lines)),
            lost=self._accepted - stored,
            undecided=pending,
            duplicate_effects=sum(n - 1 - (line in self._excused) for line, n in Counter(lines).items() if n > 1),
            out_of_order=_out_of_order(asked),
            exact=exact,
        )
        print("counters:", json.dumps(found.as_dict()), flush=True)
        return found

    def log(self, name: str) -> str:
        """What a process has printed."""
        return (self.folder / "logs" / f"{name}.log").read_text(errors="replace")

    def _tried(self) -> int:
        with self.ledger.reading() as session:
            return session.scalar(select(func.count()).select_from(Effect).where(Effect.attempts > 0)) or 0

    def _is_quiet(self) -> bool:
        with self.ledger.reading() as session:
            stored = session.scalar(select(func.count()).select_from(Event).where(~Event.raised)) or 0
            pending = session.scalar(select(Place.event_id).limit(1))
            asked = session.scalar(select(Effect.id).where(Effect.state == ASKED).limit(1))
        return stored >= self._sent and pending is None and asked is None

    def delete_queue(self) -> None:
        """Take the provider's queue away, with all that is in it."""
        self._channel().queue_delete(self.name)

    def consumers(self) -> int:
        """How many listeners consume the provider's queue."""
        return int(self._channel().queue_declare(self.name, passive=True).consumer_count)

    def _listening(self) -> bool:
        assert not self.processes.ended(), {n: self.log(n)[-2000:] for n in self.processes.ended()}
        try:
            return bool(self._channel().queue_declare(self.name, passive=True).consumer_count)
        except amqp.exceptions.NotFound:
            return False

    def _swept(self) -> bool:
        with self.ledger.reading() as session:
            return session.get(Mark, "sweep") is not None

    def _wait(self, holds: Any, seconds: float, complaint: str) -> None:
        deadline = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > deadline:
                tails = {name: self.log(name)[-1500:] for name in self.processes.running}
                raise AssertionError(
                    f"{complaint}: {self.counters()}\n" + "\n".join(f"== {n}\n{t}" for n, t in tails.items())
                )
            time.sleep(0.2)

    def _channel(self) -> Any:
        connection = amqp.Connection(self._publish_to, confirm_publish=True)
        connection.connect()
        channel = connection.channel()
        channel.exchange_declare(self.name, "topic", durable=False, auto_delete=False)
        return channel

    def _script(self) -> str:
        """Notes the effect's key; with ``fail_first`` only when it is run for the second time."""
        once = f"""seen="{self.folder}/$(printf %s "$CATCHMENT_EFFECT_KEY" | cksum | cut -d' ' -f1)"
[ -e "$seen" ] || {{ touch "$seen"; exit 1; }}
"""
        note = f'sleep {self._pause}\necho "$CATCHMENT_EFFECT_KEY" >> "{self.sink}"\n'
        return "#!/bin/sh\n" + (once if self._fail_first else "") + note

    def _site(self) -> Path:
        site = self.folder / "site"
        if self._more is not None:
            shutil.copytree(self._more, site)
        (site / "policies").mkdir(parents=True)
        (site / "alerts").mkdir()
        (site / "catchment.toml").write_text("")
        script = site / "append"
        script.write_text(self._script())
        script.chmod(0o755)
        provider = {
            "name": "cloud",
            "type": "openstack",
            "monitor": "amqp",
            "inventory": self._inventory,
            "amqp": {"urls": list(self._bus), "queue": self.name, "exchanges": {self.name: ["notifications.*"]}},
        }
        if self._clouds is not None:
            (site / "clouds.yaml").write_text(self._clouds)
            provider["cloud"] = "demo"
        policy = {
            "name": "append",
            "target": "server",
            "on": ["vm_poweroff"],
            "then": [{"script": {"command": ["./append"]}}],
        }
        alert = {"name": "down", "severity": "warning", "target": "server", "on": ["vm_poweroff"], "delay": "1h"}
        (site / "providers.yaml").write_text(json.dumps({"providers": [provider]}))
        (site / "policies" / "one.yaml").write_text(json.dumps({"policies": [policy]}))
        (site / "alerts" / "one.yaml").write_text(json.dumps({"alerts": [alert]}))
        return site


def notification(number: int, objects: int, began: datetime) -> bytes:
    """That a server was switched off, so many milliseconds after the beginning."""
    moment = (began + timedelta(milliseconds=number)).replace(tzinfo=None)
    message = {
        "message_id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{began.isoformat()}/{number}")),
        "publisher_id": "compute.node1",
        "event_type": "compute.instance.power_off.end",
        "priority": "INFO",
        "timestamp": moment.isoformat(sep=" "),
        "payload": {
            "instance_id": f"server-{number % objects}",
            "tenant_id": "p1",
            "host": "node1",
            "state": "stopped",
        },
        "_context_request_id": f"req-{number}",
    }
    return json.dumps({"oslo.version": "2.0", "oslo.message": json.dumps(message)}).encode()


def _out_of_order(decided: Sequence[Any]) -> int:
    latest: dict[str, datetime] = {}
    wrong = 0
    for key, occurred_at in decided:
        wrong += occurred_at < latest.get(key, occurred_at)
        latest[key] = max(occurred_at, latest.get(key, occurred_at))
    return wrong


def catchment(stand: Stand, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the ``catchment`` command on the stand's site."""
    command = [sys.executable, "-m", "workers.cli.main", *arguments]
    return subprocess.run(command, env=stand.environment, capture_output=True, text=True, timeout=60, check=False)
