"""``catchment convert``: bodies in, events out, line by line."""

from __future__ import annotations

import io
import json
import sys
import types
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tasks.providers.openstack.converter import OpenStackConverter
from tests.unit.openstack.openstack_samples import (
    VM,
    bus_event,
    envelope,
    notification,
    telemetry_batch,
    versioned,
)
from workers.cli import convert as command

GOOD = notification("compute.instance.pause.end", {"instance_id": VM, "tenant_id": "t"})


def run(lines: list[Any]) -> tuple[bool, list[dict[str, Any]]]:
    out = io.StringIO()
    encoded = [line if line is None or isinstance(line, bytes) else json.dumps(line).encode() + b"\n" for line in lines]
    clean = command.convert_lines(OpenStackConverter(), encoded, out)
    return clean, [json.loads(line) for line in out.getvalue().splitlines()]


def test_an_event_has_every_field_and_unknown_ones_are_null() -> None:
    clean, (row,) = run([versioned("instance.pause.end", {"uuid": VM}, _context_project_id=None)])
    assert clean
    assert list(row) == [
        "event_type", "raw_event_type", "message_id", "occurred_at", "resource_kind", "resource_id",
        "parents", "tenant_id", "actor", "host", "phase", "group", "level", "request_id", "chain_id",
    ]  # fmt: skip
    assert (row["event_type"], row["raw_event_type"]) == ("compute.instance.pause.end", "instance.pause.end")
    assert row["occurred_at"] == "2026-03-04T10:11:12.131415Z"
    assert (row["parents"], row["tenant_id"], row["chain_id"]) == ({}, None, None)


def test_order_is_kept_and_blank_lines_are_passed_over() -> None:
    batch = telemetry_batch(bus_event("a.b", "two"), bus_event("c.d", "three"))
    clean, rows = run(
        [
            {**GOOD, "message_id": "one"},
            b"\n",
            b"  \n",
            envelope(batch),
            json.dumps({**GOOD, "message_id": "four"}),
        ]
    )
    assert clean
    assert [row["message_id"] for row in rows] == ["one", "two", "three", "four"]


def test_nothing_is_deduplicated() -> None:
    _, rows = run([GOOD, GOOD])
    assert rows[0] == rows[1]


def test_an_unreadable_line_is_named_and_the_others_go_on() -> None:
    clean, rows = run(
        [
            b"{\n",
            b"\n",
            GOOD,
            None,
            notification("image.upload", "disk full"),
            telemetry_batch("x", bus_event("a.b")),
        ]
    )
    assert not clean
    assert [row.get("line") for row in rows] == [1, None, 4, 5, 6, None]
    assert all(row["error"] for row in rows if "line" in row)
    assert "disk full" in rows[3]["error"]


def test_long_lines_are_cut_out_without_being_held() -> None:
    stream = io.BytesIO(b"12345678\n" + b"x" * 300_000 + b"\n" + b"123456789\n" + b"ok")
    assert list(command.bounded_lines(stream, limit=8)) == [b"12345678\n", None, None, b"ok"]
    assert list(command.bounded_lines(io.BytesIO(b"y" * 20), limit=8)) == [None]


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("tasks.providers.table")
    entry = types.SimpleNamespace(converter=OpenStackConverter())
    module.kinds = lambda: {"openstack": entry}  # type: ignore[attr-defined]  # a module made for the test
    monkeypatch.setitem(sys.modules, "tasks.providers.table", module)


def invoke(*arguments: str, stdin: str = "") -> Result:
    return CliRunner().invoke(command.convert, list(arguments), input=stdin)


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize("arguments", [("--type", "openstack"), ("--type", "openstack", "-")])
def test_bodies_are_read_from_standard_input(arguments: tuple[str, ...]) -> None:
    result = invoke(*arguments, stdin=json.dumps(GOOD) + "\n")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["resource_id"] == VM


@pytest.mark.usefixtures("table")
def test_bodies_are_read_from_a_file_and_a_bad_line_shows_in_the_status(tmp_path: Path) -> None:
    file = tmp_path / "bodies"
    file.write_text("no json\n" + json.dumps(GOOD))
    result = invoke("--type", "openstack", str(file))
    assert result.exit_code == 1
    first, second = (json.loads(line) for line in result.stdout.splitlines())
    assert first["line"] == 1
    assert second["resource_id"] == VM


@pytest.mark.usefixtures("table")
def test_an_unknown_kind_is_refused_with_those_that_are_known() -> None:
    result = invoke("--type", "vsphere")
    assert result.exit_code == 2
    assert "Known: openstack" in result.stderr


@pytest.mark.usefixtures("table")
def test_a_reader_that_leaves_early_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    silenced: list[int] = []

    def broken(*_: Any) -> bool:
        raise BrokenPipeError

    monkeypatch.setattr(command, "convert_lines", broken)
    monkeypatch.setattr(command, "_silence", lambda: silenced.append(1))
    result = invoke("--type", "openstack", stdin="")
    assert result.exit_code == 0
    assert silenced == [1]
    assert result.output == ""
