"""``python -m workers.web``: serve the API and the pages of a site until told to stop."""

from __future__ import annotations

import os
import signal
import socket
import sys
from pathlib import Path
from types import FrameType

import click
import uvicorn

from tasks.conveyor import launch
from tasks.conveyor.installation import Installation
from tasks.effects.table import actions
from tasks.ledger import migrate
from tasks.ledger.session import Ledger
from tasks.model.errors import CatchmentError
from tasks.providers.table import kinds
from tasks.rules.definition import RuleSet
from tasks.site.holder import SiteHolder
from tasks.site.load import VARIABLE, site_root
from tasks.site.settings import Settings
from workers import logs, readers
from workers.installation import load_settings, open_ledger
from workers.web.app import create_app
from workers.web.bell import Bell
from workers.web.flow import Flow
from workers.web.intake import Intake

#: Requests at once, over which the server answers 503 instead of piling them up.
CONCURRENCY = 256
#: What is being answered when the server is told to stop has this long to end, in seconds.
LAST_WORDS = 5


class Server(uvicorn.Server):
    """A server that says on standard output where it listens, as soon as it does."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then say so."""
        await super().startup(sockets)
        if self.started:
            host = f"[{self.config.host}]" if ":" in self.config.host else self.config.host
            click.echo(f"Catchment's pages and API are at http://{host}:{self.config.port}/")


@click.command()
@click.option("--site", metavar="DIR", help="The site folder. Default: $CATCHMENT_SITE, else ./site.")
def main(site: str | None) -> None:
    """Serve the HTTP API and the pages. Host and port stand under [web] in catchment.toml."""
    try:
        root = site_root(site)
        settings = load_settings(root)
        logs.configure(settings)
        ledger = open_ledger(settings, root)
        # As the other processes do; on PostgreSQL that is for `catchment db upgrade`, and the probe tells.
        if ledger.dialect == "sqlite":
            migrate.upgrade(ledger)
        holder = SiteHolder(root, readers.parts(), kinds(), actions())
        intake = _intake(ledger, settings, holder, root)
        app = create_app(ledger, settings, root, intake=intake, rules=lambda: _rules(holder))
    except CatchmentError as mistake:
        raise click.ClickException(str(mistake)) from mistake
    config = uvicorn.Config(
        app,
        host=settings.web.host,
        port=settings.web.port,
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        limit_concurrency=CONCURRENCY,
        timeout_graceful_shutdown=LAST_WORDS,
        # Only a proxy that ends TLS has a word to say about where a request comes from.
        proxy_headers=settings.web.secure_cookies,
    )
    try:
        status = serve(Server(config))
    finally:
        ledger.close()
    sys.exit(status)


def _intake(ledger: Ledger, settings: Settings, holder: SiteHolder, root: Path) -> Intake:
    """What takes pushes. The site is read at the first of them: its mistakes keep no page from being shown."""
    # The application of Celery is that of the site that the environment names.
    os.environ[VARIABLE] = str(root)
    from workers import app as application  # noqa: F401 - its import makes the broker known

    bell = Bell(lambda lanes: launch.launch("convert", lanes, settings.conveyor.fanout))
    return Intake(Installation(ledger, holder), bell.ring, Flow(settings.web.push_per_second, settings.web.push_burst))


def _rules(holder: SiteHolder) -> RuleSet:
    """The rule events of the site as it was last without mistakes."""
    found: RuleSet = holder.current().part("rules")
    return found


def serve(server: Server) -> int:
    """Serve until SIGTERM or SIGINT; returns the exit status: 0 after a clean end, 1 where it never began."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        server.should_exit = True

    # uvicorn raises the signal again once it has stopped; with a handler of ours that is a clean end.
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    server.run()
    return 0 if server.started else 1


if __name__ == "__main__":
    main()
