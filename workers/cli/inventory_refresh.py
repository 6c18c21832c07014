"""``catchment inventory refresh``: read a provider's inventory now, and show how far it is."""

from __future__ import annotations

import logging
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import click
import structlog
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from sqlalchemy import func, select

from tasks.catch.poll import enrol
from tasks.conveyor.installation import Installation
from tasks.conveyor.wanted import FULL, Wish, all_of, want
from tasks.effects.table import actions
from tasks.ledger.inventory import GONE, InventoryObject
from tasks.ledger.providers import Provider
from tasks.model import clock
from tasks.model.errors import Permanent, SiteInvalid
from tasks.refresh import targets
from tasks.refresh.refresher import refresh_now
from tasks.site.contracts import Site
from tasks.site.load import load_site, site_root
from workers import readers
from workers.cli.installation import json_option, ledger_of, site_option
from workers.cli.output import as_document, console, hint, table, when


class _Still:
    """A site that stays as it is for the length of a command."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def current(self) -> Site:
        return self._site


@click.command("refresh")
@click.argument("provider")
@click.option("--kind", help="Only objects of this kind.")
@json_option
@site_option
@click.pass_context
def refresh(context: click.Context, provider: str, kind: str | None, as_json: bool) -> None:
    """Read all objects of PROVIDER now, in this process, beside what the workers do.

    Ends with 1 where another worker reads the same list at this moment: it is then read once more after that.
    """
    site = _site(provider)
    kinds = readers.kinds()[site.providers[provider].kind]
    known = kinds.inventory.kinds if kinds.inventory is not None else ()
    if not known:
        raise Permanent(f"inventory is not read of {provider}: its kind has no reader")
    if kind is not None and kind not in known:
        raise click.BadParameter(f"{provider} has no kind {kind}; it has {', '.join(known)}", param_hint="--kind")
    ledger = ledger_of(site_root())
    try:
        present = Installation(ledger, _Still(site))
        number = enrol(present, site.providers[provider], kinds)
        ref, owner = all_of(kind) if kind else FULL, f"{present.worker}:{uuid.uuid4().hex[:8]}"
        with ledger.transaction() as session:
            row = session.get_one(Provider, number)
            if row.reads_note and row.reads_after is not None and row.reads_after > clock.now():
                raise Permanent(f"{provider} is to be left alone until {when(row.reads_after)}: {row.reads_note}")
            want(session, [Wish(number, ref, None)], clock.now(), settle=0)
            taken = targets.take_this(session, owner, site.settings.refresh, clock.now(), number, ref)
        if taken is None:
            hint(f"another worker reads {kind or 'everything'} of {provider} now; it is read once more after that")
            context.exit(1)
        with _warnings_only(), _Shown(present, number, (kind,) if kind else known) as shown:
            refresh_now(present, taken, owner, shown.told)
        _tell(shown.read, as_json)
    finally:
        ledger.close()


def _site(provider: str) -> Site:
    site, problems = load_site(site_root(), readers.parts(), readers.kinds(), actions())
    if site is None:
        raise SiteInvalid("\n".join(str(problem) for problem in problems if problem.severity == "error"))
    if provider not in site.providers:
        known = ", ".join(sorted(site.providers)) or "none"
        raise Permanent(f"the site has no provider {provider}. It names: {known}")
    return site


@contextmanager
def _warnings_only() -> Iterator[None]:
    """Log warnings alone, on standard error: the answer is on standard output."""
    before = structlog.get_config()
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    try:
        yield
    finally:
        structlog.configure(**before)


class _Shown:
    """The bars: one for each kind, as long as what inventory knew of it before."""

    def __init__(self, present: Installation, provider_id: int, kinds: tuple[str, ...]) -> None:
        counted = (
            select(InventoryObject.kind, func.count())
            .where(InventoryObject.provider_id == provider_id, InventoryObject.state != GONE)
            .group_by(InventoryObject.kind)
        )
        with present.ledger.reading() as session:
            before = dict(session.execute(counted).tuples().all())
        out = console(err=True)
        self.read: dict[str, int] = {}
        self._bars: dict[str, TaskID] = {}
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:,.0f}"),
            TimeElapsedColumn(),
            console=out,
            disable=not out.is_terminal,
        )
        for kind in kinds:
            self._bars[kind] = self._progress.add_task(kind, total=before.get(kind) or None, start=False)

    def __enter__(self) -> _Shown:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def told(self, kind: str, read: int | None) -> None:
        """Move a kind's bar on; the end of the kind fills it."""
        bar = self._bars[kind]
        if kind not in self.read:
            self._progress.start_task(bar)
        self.read[kind] = read if read is not None else self.read.get(kind, 0)
        number = self.read[kind]
        total = next(task.total for task in self._progress.tasks if task.id == bar)
        longer = number if read is None or (total or 0) < number else total
        self._progress.update(bar, completed=number, total=longer or (1 if read is None else None))


def _tell(read: dict[str, int], as_json: bool) -> None:
    if as_json:
        as_document(read)
        return
    table(("kind", "objects read"), list(read.items()), right=("objects read",))
