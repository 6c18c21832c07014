"""A plain listener and Catchment on the same thousand messages, many of them hostile: what each ran, what each lost."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tasks.ledger.effects import Effect
from tasks.ledger.esi import EsiEvent
from tasks.ledger.session import Ledger
from tests.ground import all_the_way, exact
from tests.integration.test_leap_bus import TOPIC, monitor, take_in
from tests.leap_way import LeapWay, write
from tests.plain_listener import PlainListener
from tests.rabbit_ground import HOST, PORT, Bus
from tests.unit.esi_leap.leap_ground import END, message

MESSAGES = 1000
DELETED = "esi_leap.lease.delete.end"
CONF = f"""\
[all]
events = {END}
script = ./note.sh
script_params = uuid,name
[some]
events = {END}
script = ./note.sh
script_params = uuid,properties.vendor
filter_params = {{"purpose": "te"}}
"""
#: Notes its arguments, each with a byte that none can hold behind it, and a line end behind all.
NOTE = "#!/bin/sh\nprintf '%s\\001' \"$@\" >> runs\necho >> runs\n"
HOSTILE: tuple[dict[str, Any], ...] = (
    {"name": '"; touch pwned #'},
    {"name": "$(touch pwned)"},
    {"name": "`touch pwned`"},
    {"name": "| touch pwned"},
    {"name": "; touch pwned"},
    {"name": None},
    {"name": 7},
    {"name": ["a", {"b": 1}]},
    {"name": "a  b"},
    {"name": "Ωmega 漢字 \u202e"},
    {"name": "x" * 100_000},
    {"purpose": "x" * 1_000_000},
    {"purpose": None},
    {"purpose": 5},
    {"properties": {}},
    {"properties": None},
    {"properties": {"vendor": "a;touch pwned"}},
)


def stream() -> list[dict[str, Any]]:
    """The data of so many leases: two out of three of them harmless, and one out of five for tests."""
    chance = random.Random(8)
    made = []
    for number in range(MESSAGES):
        lease = {"uuid": f"lease-{number:04}", "name": f"L{number}", "purpose": chance.choice(("test", *["idle"] * 4))}
        made.append(lease | (chance.choice(HOSTILE) if chance.random() < 0.33 else {}))
    return made


def due(leases: list[dict[str, Any]]) -> Counter[tuple[str, ...]]:
    """What should run, worked out by hand from the file: the arguments of every run."""
    wanted: Counter[tuple[str, ...]] = Counter()
    for lease in leases:
        name, purpose = lease["name"], lease["purpose"]
        text = {type(None): "", int: str(name), list: '["a",{"b":1}]'}.get(type(name), name)
        wanted[lease["uuid"], text] += 1
        properties = lease.get("properties", {"vendor": "foo"})
        if str(purpose).startswith("te") and properties and "vendor" in properties:
            wanted[lease["uuid"], properties["vendor"]] += 1
    return wanted


def ran(folder: Path) -> Counter[tuple[str, ...]]:
    file = folder / "runs"
    lines = file.read_bytes().decode().split("\x01\n") if file.exists() else []
    return Counter(tuple(line.split("\x01")) for line in lines if line)


@pytest.fixture
def bus() -> Iterator[Bus]:
    with Bus() as running:
        running.channel.exchange_declare(running.name, "topic", durable=False, auto_delete=False)
        yield running


@pytest.mark.slow
@pytest.mark.service("rabbitmq")
@pytest.mark.parametrize("ledger", ["sqlite"], indirect=True)
def test_ours_runs_what_should_run_once_and_nothing_else_where_the_plain_one_loses_most(
    ledger: Ledger, tmp_path: Path, bus: Bus
) -> None:
    leases, (old, new) = stream(), (tmp_path / "old", tmp_path / "new")
    for folder in (old, new / "actions"):
        write(folder / "note.sh", NOTE, 0o755)
    way = LeapWay(ledger, new, CONF)
    source = monitor(bus)
    source.start(None)
    theirs = f"{bus.name}.info"
    bus.channel.queue_declare(theirs, durable=False, exclusive=False, auto_delete=False)
    bus.channel.queue_bind(theirs, bus.name, f"{TOPIC}.info")
    bus.publish([message(END, message_id=lease["uuid"], **lease) for lease in leases], key=f"{TOPIC}.info")
    try:
        plain, broken = PlainListener(CONF, old, f"{HOST}:{PORT}", [theirs]), 0
        # Somebody looks after it and starts it again each time.
        while bus.channel.queue_declare(theirs, passive=True).message_count:
            broken += plain.listen() is not None
    finally:
        bus.channel.queue_delete(theirs)
    take_in(way, source, MESSAGES)
    source.stop()
    all_the_way(way.present)
    while ids := way.due():
        way.effects(ids)
    wanted = due(leases)
    done = sum((ran(old) & wanted).values())
    print(
        f"due {sum(wanted.values())}; plain: broke {broken} times, lost {MESSAGES - plain.handled}, ran {done} rightly"
    )
    # The plain one had everything acknowledged before it broke, and did what a lease's name told it to.
    assert broken > 0
    assert plain.handled < MESSAGES
    assert done < sum(wanted.values())
    assert (old / "pwned").exists()
    # Ours: all of it, once, with the values as they are, and nothing else.
    assert ran(new) == wanted
    assert not list(new.rglob("pwned"))
    assert len(way.rows(Effect)) == sum(wanted.values())
    assert len(way.rows(EsiEvent)) == MESSAGES
    line = exact(ledger)["esi"]
    assert (line.stored, line.finished) == (MESSAGES, MESSAGES)
