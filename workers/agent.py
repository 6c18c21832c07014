"""The agent of a worker host: signs in, reports load, processors, memory and disk, says goodbye (orchestrate 8).

``python -m workers.agent``. It needs the ledger and no broker.
"""

from __future__ import annotations

import signal
import socket
import sys
import threading

import click
import structlog
from sqlalchemy.exc import DBAPIError

from tasks.conveyor.telling import set_facts
from tasks.ledger import agents, migrate
from tasks.ledger.facts import FactRef, Write
from tasks.ledger.session import Ledger
from tasks.ledger.tally import Count
from tasks.model import clock
from tasks.model.agent import PROTOCOL
from tasks.model.catalogue import AGENT, RESOURCE
from tasks.model.errors import CatchmentError
from tasks.site.load import site_root
from tasks.site.settings import Settings
from workers import logs
from workers.installation import load_settings, open_ledger
from workers.measures import Host, credentials, describe, process_name, release

log = structlog.get_logger(__name__)


class Agent:
    """Reports one host until it is told to stop."""

    def __init__(self, ledger: Ledger, settings: Settings, name: str, version: str) -> None:
        self._ledger = ledger
        self._settings = settings
        self._ref = FactRef(RESOURCE, name)
        self._version = version
        self._process = process_name()
        self._host = Host()
        self._about = credentials(name, version)
        self._fixed = {**describe(), "agent.version": version}

    def report(self) -> None:
        """Say that this agent is there, and how its host is, in one transaction."""
        facts = {**self._fixed, **self._host.facts()}
        writes = [Write(self._ref, f"{RESOURCE}.{name}", value) for name, value in facts.items()]
        with self._ledger.transaction() as session:
            now, count = clock.now(), Count()
            agents.hear(session, self._ref.id, self._process, self._version, PROTOCOL, self._about, now)
            set_facts(session, self._settings, now, count, AGENT, writes, whole=True)
            count.write(session)

    def leave(self) -> None:
        """Say goodbye."""
        with self._ledger.transaction() as session:
            agents.part(session, self._ref.id, self._process, clock.now())

    def run(self, stopping: threading.Event) -> None:
        """Report without end. What goes wrong with the ledger is logged, and tried again."""
        while True:
            try:
                self.report()
            except (DBAPIError, CatchmentError) as error:
                log.warning("the report was not taken; it is made again", error=type(error).__name__)
            if stopping.wait(self._settings.agent.interval_seconds):
                break
        try:
            self.leave()
        except (DBAPIError, CatchmentError) as error:
            log.warning("the goodbye was not taken; silence will tell", error=type(error).__name__)


@click.command()
@click.option("--site", metavar="DIR", help="The site folder. Default: $CATCHMENT_SITE, else ./site.")
@click.option(
    "--host", metavar="NAME", help="Name of this host as a resource. Default: agent.name, else its host name."
)
@click.option("--version", "said", default=release, help="The version to sign in with, for trying an upgrade.")
def main(site: str | None, host: str | None, said: str) -> None:
    """Report this host as a resource until SIGTERM or SIGINT."""
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    try:
        root = site_root(site)
        settings = load_settings(root)
        logs.configure(settings)
        ledger = open_ledger(settings, root)
        # As the other processes do; on PostgreSQL that is for `catchment db upgrade`.
        if ledger.dialect == "sqlite":
            migrate.upgrade(ledger)
    except CatchmentError as mistake:
        raise click.ClickException(str(mistake)) from mistake
    name = host or settings.agent.name or socket.gethostname()
    log.info("the agent reports", resource=name, version=said)
    Agent(ledger, settings, name, said).run(stopping)
    ledger.close()
    sys.exit(0)


if __name__ == "__main__":
    main()
