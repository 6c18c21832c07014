"""What tests set on top of the fault stand: scripts that wait to be let go, a simulated cloud, and commands."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from sqlalchemy import select

from examples.cloud.running import Cloud, clouds_yaml
from examples.cloud.world import World
from tasks.ledger import migrate
from tasks.ledger.effects import ASKED, Effect
from tasks.ledger.events import Event, Place, Sighting
from tasks.ledger.inventory import RefreshTarget
from tasks.ledger.providers import Provider
from tasks.ledger.session import Ledger
from tests.fault_stand import Counters, Redis, Stand
from workers.processes import SOURCE, Processes, procfile

#: The lines of the Procfile that a polled cloud with inventory needs.
POLLING = ("beat", "catch", "stages", "effects", "read")

_SCRIPT = """\
#!/bin/sh
echo "$CATCHMENT_EFFECT_KEY" >> "{folder}/begun"
while [ -e "{folder}/hold" ]; do sleep 0.1; done
echo "$CATCHMENT_EFFECT_KEY" >> "{folder}/sink"
"""


def assert_nothing_amiss(found: Counters) -> None:
    """What every fault test ends with (spec field 4.1)."""
    amiss = (found.lost, found.undecided, found.duplicate_effects, found.out_of_order)
    assert amiss == (0, 0, 0, 0), "lost, undecided, doubled, out of order"
    assert found.stored == found.effects == found.attempted
    assert found.exact


def eventually(holds: Callable[[], object], seconds: float, complaint: str) -> None:
    """Wait until something holds. The time is a limit for a busy machine, not an expectation."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, complaint
        time.sleep(0.1)


class Held:
    """The script of a stand, made to wait in the middle of its work for as long as the ``with`` statement lasts.

    A fault that comes then comes half way through an effect every time, not when luck wills it. The wait has
    to stay below the thirty seconds that a script may take.
    """

    def __init__(self, stand: Stand) -> None:
        self._hold = stand.folder / "hold"
        self._begun = stand.folder / "begun"
        program = stand.folder / "site" / "append"
        program.write_text(_SCRIPT.format(folder=stand.folder))
        program.chmod(0o755)

    def __enter__(self) -> Self:
        self._hold.touch()
        self._already = self.begun()
        return self

    def __exit__(self, *_: object) -> None:
        self._hold.unlink()

    def begun(self) -> Counter[str]:
        """How often each effect was begun, by its key."""
        return Counter(self._begun.read_text().split()) if self._begun.exists() else Counter()

    def wait(self, count: int) -> set[str]:
        """Wait until so many effects are in the middle of their work; returns their keys."""
        eventually(lambda: len(self.begun() - self._already) >= count, 60, f"{count} scripts did not begin")
        return set(self.begun() - self._already)


class CloudStand:
    """An installation that polls a simulated cloud and reads its inventory. Use it in a ``with`` statement."""

    def __init__(
        self,
        folder: Path,
        database: str,
        files: Mapping[str, str],
        *,
        lines: Sequence[str] = POLLING,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.world = World()
        self.cloud = Cloud(self.world)
        self.redis = Redis()
        self._lines = lines
        site = folder / "site"
        for name, text in files.items():
            (site / name).parent.mkdir(parents=True, exist_ok=True)
            (site / name).write_text(text)
        (site / "catchment.toml").write_text("")
        (site / "clouds.yaml").write_text(clouds_yaml(self.cloud.url))
        left_out = {"PYTHONDONTWRITEBYTECODE"}
        clean = {k: v for k, v in os.environ.items() if not k.startswith("CATCHMENT_") and k not in left_out}
        self.environment = clean | {
            "CATCHMENT_SITE": str(site),
            "CATCHMENT_DATABASE": database,
            "CATCHMENT_BROKER": f"redis://127.0.0.1:{self.redis.port}/0",
            "CATCHMENT_CONVEYOR__SWEEP_GRACE_SECONDS": "2",
            "CATCHMENT_REFRESH__SETTLE_SECONDS": "0",
            **(environment or {}),
        }
        self.processes = Processes(folder / "logs", self.environment)
        self.ledger = Ledger(database)

    def __enter__(self) -> Self:
        migrate.upgrade(self.ledger)
        self.cloud.start()
        self.redis.start()
        for name in self._lines:
            self.start(name)
        return self

    def __exit__(self, *_: object) -> None:
        self.processes.stop()
        self.redis.kill()
        self.cloud.stop()
        self.ledger.close()

    def start(self, name: str) -> None:
        """Start a line of the Procfile, as its supervisor would."""
        self.processes.start(name, procfile()[name])

    def ask(self) -> None:
        """Have every provider asked now, and not at the next tick."""
        done = command(self.environment, "celery", "-A", "workers.app", "call", "catch.tick")
        assert done.returncode == 0, done.stderr

    def inventory_read(self) -> bool:
        """Whether the provider's inventory was read once: before that no event of it is judged."""
        with self.ledger.reading() as session:
            return session.scalar(select(Provider.ready_at).where(Provider.name == "cloud")) is not None

    def message_ids(self) -> set[str]:
        """Whatever the cloud has told and the ledger has stored, by the ids of its messages."""
        with self.ledger.reading() as session:
            stored = session.scalars(select(Event.message_id).where(~Event.raised)).all()
            return {*stored, *session.scalars(select(Sighting.message_id))}

    def at_rest(self) -> bool:
        """Whether no event, effect or read is owed."""
        owed = (
            select(Place.event_id),
            select(Effect.id).where(Effect.state == ASKED),
            select(RefreshTarget.id).where(RefreshTarget.state == "wanted"),
        )
        with self.ledger.reading() as session:
            return all(session.scalar(query.limit(1)) is None for query in owed)

    def logs(self) -> str:
        """The end of what each process has printed."""
        return "\n".join(
            f"== {file.stem}\n{file.read_text(errors='replace')[-1500:]}" for file in self.processes.logs.glob("*.log")
        )


def command(environment: Mapping[str, str], module: str, *arguments: str) -> subprocess.CompletedProcess[Any]:
    """Run a module's command line in the source tree, in the environment of a stand."""
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=SOURCE,
        env=dict(environment),
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
