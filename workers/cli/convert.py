"""``catchment convert``: raw notifications in, canonical events out; no broker, no database."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO, TextIO

import click

from tasks.model.clock import rfc3339
from tasks.model.errors import BadPayload
from tasks.model.event import Normalised
from tasks.providers.contracts import Converter

#: The longest line that is read, in bytes; of a longer one only this much is ever in memory.
LINE_LIMIT = 16 * 1024 * 1024


class KindOfProvider(click.ParamType[Converter]):
    """The name of a kind of provider, looked up in the table of providers when it is needed."""

    name = "kind"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Converter:
        """The kind's converter."""
        from tasks.providers.table import kinds

        table = kinds()
        if value not in table:
            self.fail(f"{value!r} is no kind of provider. Known: {', '.join(sorted(table))}", param, ctx)
        converter: Converter = table[value].converter
        return converter


@click.command("convert")
@click.option("--type", "converter", type=KindOfProvider(), required=True, help="Kind of provider that sent them.")
@click.argument("file", type=click.File("rb"), default="-")
@click.pass_context
def convert(context: click.Context, converter: Converter, file: BinaryIO) -> None:
    """Write the canonical events of raw notifications, one JSON object a line.

    FILE holds one message body a line; without it, or with "-", they come from standard input. A line
    that cannot be read yields an object with "line" and "error", and exit status 1 at the end.
    """
    try:
        clean = convert_lines(converter, bounded_lines(file), sys.stdout)
    except BrokenPipeError:
        _silence()
        return
    if not clean:
        context.exit(1)


def _silence() -> None:
    """Send what Python still holds back nowhere: the reader has left, and the exit would complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def bounded_lines(stream: BinaryIO, limit: int = LINE_LIMIT) -> Iterator[bytes | None]:
    """The lines of a stream, one at a time; None stands for a line longer than the limit."""
    while line := stream.readline(limit + 1):
        if len(line) > limit and not line.endswith(b"\n"):
            while (rest := stream.readline(1 << 16)) and not rest.endswith(b"\n"):
                pass
            yield None
        else:
            yield line


def convert_lines(converter: Converter, lines: Iterable[bytes | None], out: TextIO) -> bool:
    """Convert message bodies in their order and write what becomes of each.

    Returns whether every line could be read and converted. Blank lines are passed over, and counted.
    """
    clean = True
    for number, line in enumerate(lines, start=1):
        for row in _rows(converter, number, line):
            clean = clean and "error" not in row
            out.write(json.dumps(row) + "\n")
        out.flush()
    return clean


def _rows(converter: Converter, number: int, line: bytes | None) -> Iterator[dict[str, Any]]:
    if line is None:
        yield {"line": number, "error": f"longer than {LINE_LIMIT} bytes"}
        return
    if not line.strip():
        return
    try:
        messages = converter.unwrap(line)
    except BadPayload as error:
        yield {"line": number, "error": str(error)}
        return
    for message in messages:
        try:
            yield _row(converter.convert(message))
        except BadPayload as error:
            yield {"line": number, "error": str(error)}


def _row(event: Normalised) -> dict[str, Any]:
    return {
        "event_type": event.event_type,
        "raw_event_type": event.raw_event_type,
        "message_id": event.message_id,
        "occurred_at": rfc3339(event.occurred_at),
        "resource_kind": event.resource_kind,
        "resource_id": event.resource_id,
        "parents": event.parents,
        "tenant_id": event.tenant_id,
        "actor": event.actor,
        "host": event.host,
        "phase": event.phase,
        "group": event.group,
        "level": event.level,
        "request_id": event.request_id,
        "chain_id": event.chain_id,
        **({"details": event.details} if event.details else {}),
    }
