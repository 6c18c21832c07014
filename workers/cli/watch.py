"""``catchment watch``: run a command for each new event of an ESI Leap history, once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from tasks.model.errors import Transient
from workers.cli.installation import present_ledger, site_option
from workers.cli.output import hint
from workers.watch.keeper import act
from workers.watch.place import Place
from workers.watch.sources import CloudSource, LedgerSource, Source, UrlSource

#: Pauses after a command that failed, or a source that did not answer, in seconds.
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0


@click.command("watch", context_settings={"allow_interspersed_args": False})
@click.option("--last-event-id-file", "file", required=True, type=click.Path(path_type=Path, dir_okay=False),
              help="Holds the id of the last event that was acted on.")  # fmt: skip
@click.option("--url", help="A history elsewhere: Catchment's or ESI Leap's own. Default: this installation's ledger.")
@click.option("--token-file", type=click.Path(path_type=Path), help="With --url: a file with the token.")
@click.option("--cloud", help="Instead of --url: a cloud whose catalogue names the service.")
@click.option("--clouds-file", type=click.Path(path_type=Path), default="clouds.yaml", show_default=True)
@click.option("--project", help="Of the local ledger: only this lessee's or owner's events.")
@click.option("--event-type", "types", multiple=True, help="Act on this type alone. May be given several times.")
@click.option("--skip-history", is_flag=True, help="Where there is no file yet: begin behind what is there.")
@click.option("--interval", type=click.FloatRange(0.1, 3600), default=20.0, show_default=True, help="Seconds.")
@click.option("--tries", type=click.IntRange(1, 100), default=5, show_default=True,
              help="So often a command that fails is run for one event.")  # fmt: skip
@click.option("--keep-going", is_flag=True, help="Leave an event behind for which all tries failed.")
@click.option("--once", is_flag=True, help="End when there is nothing new.")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@site_option
def watch(
    file: Path, url: str | None, token_file: Path | None, cloud: str | None, clouds_file: Path, project: str | None,
    types: tuple[str, ...], skip_history: bool, interval: float, tries: int, keep_going: bool, once: bool,
    command: tuple[str, ...],
) -> None:  # fmt: skip
    """Run COMMAND for each new event, once, in the order of their ids. Write `--` before it.

    It gets the event as JSON on its standard input and in variables: CATCHMENT_EVENT_ID, _EVENT_TYPE, _EVENT_TIME,
    _OBJECT_UUID, _RESOURCE_UUID and so on. CATCHMENT_AGAIN is 1 where an earlier run for the same event failed, or
    was killed so that nobody knows how it ended. The id is noted when COMMAND has ended with 0.

    With --url the token is in CATCHMENT_TOKEN or in --token-file. The exit status is 1 where an event was given up.
    """
    with Place(file) as place, _source(url, token_file, cloud, clouds_file, project) as source, _until_told() as ended:
        if place.keeper_is_busy():
            hint("An action of an earlier watch is still running; waiting for it.")
            place.wait_for_keeper()
        turns = _Turns(place, source, frozenset(types), command, tries, keep_going, ended)
        if skip_history and place.is_new:
            turns.skip()
        turns.run(interval, once)
        if turns.given_up:
            raise SystemExit(1)


class _Turns:
    """The watch at its work."""

    def __init__(
        self, place: Place, source: Source, types: frozenset[str], command: tuple[str, ...], tries: int,
        keep_going: bool, ended: threading.Event,
    ) -> None:  # fmt: skip
        self._place, self._source, self._types, self._command = place, source, types, command
        self._tries, self._keep_going, self._ended = tries, keep_going, ended
        self.given_up = 0

    def run(self, interval: float, once: bool) -> None:
        """Act on what is new until told to end, or until there is nothing new."""
        failures = 0
        while not self._ended.is_set():
            try:
                worked = self._turn()
                failures = 0
            except Transient as mistake:
                failures += 1
                if once:
                    raise
                hint(f"{mistake}; it is tried again")
                self._ended.wait(_pause(failures))
                continue
            if self.given_up and not self._keep_going:
                return
            if not worked:
                if once:
                    return
                self._ended.wait(interval)

    def skip(self) -> None:
        """Pass over all that is there."""
        last = self._place.last()
        while events := self._source.behind(last):
            last = int(events[-1]["id"])
        self._place.note(last)

    def _turn(self) -> bool:
        """Whether there was anything."""
        events = self._source.behind(self._place.last())
        for event in events:
            if self._ended.is_set():
                return True
            if self._types and event.get("event_type") not in self._types:
                self._place.note(int(event["id"]))
            elif not self._act(event):
                self.given_up += 1
                if not self._keep_going:
                    return True
                self._place.note(int(event["id"]))
        return bool(events)

    def _act(self, event: dict[str, object]) -> bool:
        """Whether the command ended well, after so many tries as there are."""
        for attempt in range(1, self._tries + 1):
            status = act(self._place, event, self._command)
            if status == 0:
                return True
            hint(f"event {event['id']}: {self._command[0]} ended with {status}, try {attempt} of {self._tries}")
            if attempt == self._tries or self._ended.wait(_pause(attempt)):
                break
        return False


def _pause(failures: int) -> float:
    return float(min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (failures - 1)))


@contextmanager
def _source(
    url: str | None, token_file: Path | None, cloud: str | None, clouds_file: Path, project: str | None
) -> Iterator[Source]:
    if url and cloud:
        raise click.UsageError("--url and --cloud are two ways to one thing: give one of them")
    if (url or cloud) and project:
        raise click.UsageError("--project is for the local ledger; elsewhere the token tells the project")
    if url:
        yield UrlSource(url, token_file)
    elif cloud:
        yield CloudSource(cloud, clouds_file)
    else:
        with present_ledger() as ledger:
            yield LedgerSource(ledger, project)


@contextmanager
def _until_told() -> Iterator[threading.Event]:
    """Set by SIGTERM or SIGINT: the action at hand comes to its end, and the next one is not begun."""
    ended = threading.Event()
    before = {number: signal.signal(number, lambda *_: ended.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield ended
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
