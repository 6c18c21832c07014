"""``catchment demo``: the whole of it on one machine, against a simulated cloud."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import click
from rich.console import Console

from tasks.ledger import migrate, tokens
from tasks.ledger.session import Ledger
from workers.cli.demo_watch import Watch, pending, summary, ticked
from workers.cli.init import write_site
from workers.installation import load_settings, open_ledger
from workers.processes import SOURCE, Processes, procfile

#: How long the processes may take to start before the demo's own time begins.
START_SECONDS = 45.0
#: How long the last events may take to get through after the cloud has come to rest.
QUIESCE_SECONDS = 30.0

PROVIDERS = """\
providers:
  - name: demo
    type: openstack
    cloud: demo
    monitor: ceilometer
"""

POLICIES = """\
policies:
  - name: note-small-servers-that-stop
    description: A server of at most 1 GiB was switched off; say so, and call it by its name.
    target: server
    on: [vm_poweroff]
    when: {field: server.memory_mb, "<=": 1024}
    then:
      - log: {message: "${server.name} (${server.memory_mb} MiB) was switched off by ${event.actor}"}
    otherwise:
      - log: {message: "${server.name} was switched off, and it is no small one"}
"""

ALERTS = """\
alerts:
  - name: server-down
    description: A server went down.
    severity: warning
    on: [vm_poweroff]
    target: server
    delay: 30s
    notify:
      - log: {message: "server-down: ${server.name}"}
"""


@click.command()
@click.option(
    "--seconds",
    default=0,
    show_default=True,
    help="End by itself after so many seconds of running; 0: run until Ctrl-C.",
)
@click.option("--pace", default=1.0, show_default=True, help="Seconds between two deeds in the simulated cloud.")
@click.option("--keep", is_flag=True, help="Keep the demo's folder (site, ledger, logs) and say where it is.")
def demo(seconds: int, pace: float, keep: bool) -> None:
    """Run everything on one machine, against a simulated cloud, and show events pass the stages.

    The exit status is 1 if the balance does not add up, a process died or nothing happened.
    """
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    if not (SOURCE / "examples" / "cloud").is_dir():
        raise click.ClickException("the demo needs the source tree: run it in a checkout, with `make demo`")
    with _folder(keep) as folder:
        raise SystemExit(_run(console, folder, seconds, pace))


@contextmanager
def _folder(keep: bool) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="catchment-demo-"))
    try:
        yield folder
    finally:
        if keep:
            click.echo(f"kept in {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)


def _run(console: Console, folder: Path, seconds: int, pace: float) -> int:
    site = folder / "site"
    write_site(site)
    (site / "providers.yaml").write_text(PROVIDERS, encoding="utf-8")
    (site / "policies" / "example.yaml").write_text(POLICIES, encoding="utf-8")
    (site / "alerts" / "example.yaml").write_text(ALERTS, encoding="utf-8")
    environment = _environment(site)
    os.environ.update({k: v for k, v in environment.items() if k.startswith("CATCHMENT_")})
    settings = load_settings(site)
    ledger = open_ledger(settings, site)
    migrate.upgrade(ledger)
    with ledger.transaction() as session:
        token = tokens.make(session, "demo", "operate", None, None)
    processes = Processes(folder / "logs", environment)
    stopping = _stop_on_signals()
    try:
        _start(console, processes, site, pace)
        console.print(f"status page  http://127.0.0.1:{settings.web.port}/   token {token}")
        console.print(
            f"flower       http://127.0.0.1:{settings.flower.port}/   "
            f"user {settings.flower.user}, password {_flower_password(site, settings.var)}"
        )
        console.print(
            "[dim]the first events come when the cloud's inventory has been read[/]\n" if console.is_terminal else ""
        )
        deaths = _watch(console, ledger, processes, seconds, stopping)
        processes.signal("cloud", signal.SIGUSR1)
        _quiesce(ledger)
    finally:
        # The broker and the cloud go last: the others end in peace only while these answer.
        stubborn = processes.stop(*(name for name in processes.running if name not in {"broker", "cloud"}))
        stubborn += processes.stop()
    return summary(console, ledger, deaths, stubborn, folder / "logs")


def _environment(site: Path) -> dict[str, str]:
    # Nine processes import the same modules: without their compiled form the start alone takes half a minute.
    left_out = {"PYTHONDONTWRITEBYTECODE"}
    clean = {k: v for k, v in os.environ.items() if not k.startswith("CATCHMENT_") and k not in left_out}
    return clean | {
        "CATCHMENT_SITE": str(site),
        "CATCHMENT_WEB__PORT": str(_free_port(8765)),
        "CATCHMENT_FLOWER__PORT": str(_free_port(5555)),
        "PYTHONUNBUFFERED": "1",
        # Each event passes all tasks of its chain, so that Flower shows the way.
        "CATCHMENT_CONVEYOR__FUSE": "never",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
    }


def _free_port(wanted: int) -> int:
    """The wanted port, or any free one where somebody has it."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise click.ClickException("no free port on the loopback interface")


def _flower_password(site: Path, var: Path) -> str:
    path = site / var / "flower.password"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    password = secrets.token_urlsafe(12)
    path.write_text(password + "\n", encoding="utf-8")
    return password


def _stop_on_signals() -> list[int]:
    received: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        received.append(number)

    signal.signal(signal.SIGINT, note)
    signal.signal(signal.SIGTERM, note)
    return received


def _start(console: Console, processes: Processes, site: Path, pace: float) -> None:
    clouds = site / "clouds.yaml"
    clouds.unlink()
    port = _free_port(5000)
    processes.start(
        "cloud",
        [
            sys.executable,
            "-m",
            "examples.cloud",
            "--port",
            str(port),
            "--pace",
            str(pace),
            "--clouds-file",
            str(clouds),
        ],
    )
    deadline = time.monotonic() + 20
    while not clouds.exists() or not clouds.stat().st_size:
        if time.monotonic() > deadline or processes.ended():
            raise click.ClickException(f"the simulated cloud did not start; see {processes.logs / 'cloud.log'}")
        time.sleep(0.1)
    clouds.chmod(0o600)
    console.print(f"simulated cloud  http://127.0.0.1:{port}/")
    for name, command in procfile().items():
        processes.start(name, command)


def _watch(console: Console, ledger: Ledger, processes: Processes, seconds: int, stopping: list[int]) -> dict[str, int]:
    watch = Watch(console, ledger)
    began = time.monotonic()
    while not stopping and not ticked(ledger) and time.monotonic() - began < START_SECONDS:
        if deaths := processes.ended():
            return deaths
        time.sleep(0.3)
    deadline = time.monotonic() + seconds if seconds else None
    while not stopping and (deadline is None or time.monotonic() < deadline):
        if deaths := processes.ended():
            return deaths
        watch.look()
        time.sleep(0.5)
    watch.look()
    return {}


def _quiesce(ledger: Ledger) -> None:
    deadline = time.monotonic() + QUIESCE_SECONDS
    while pending(ledger) and time.monotonic() < deadline:
        time.sleep(0.3)
