"""XML from operators is not trusted (spec orchestrate 13 and 15, 100 to 105)."""

from __future__ import annotations

import random
import resource
import socket
import time

import pytest

from tasks.constraints.xml import MAX_BYTES, Refused, parse
from tasks.rules.event_file import read_event
from tests.rule_ground import VMHOST, codes, event_text

LAUGHS = '<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "ha">' + "".join(
    f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(12)
)
BOMB = (LAUGHS + "]><event>&m;</event>").encode()


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@pytest.mark.parametrize(
    "text",
    [
        b"<!DOCTYPE event><event/>",
        b'<!DOCTYPE event SYSTEM "http://127.0.0.1:1/e.dtd"><event/>',
        b'<!DOCTYPE event PUBLIC "-//x//y" "file:///etc/passwd"><event/>',
        b'<!DOCTYPE event [<!ENTITY x SYSTEM "file:///etc/passwd">]><event>&x;</event>',
        b'<!DOCTYPE event [<!ENTITY % p SYSTEM "http://127.0.0.1:1/p">%p;]><event/>',
        BOMB,
    ],
)
def test_orchestrate_100_a_doctype_is_refused_before_anything_is_expanded(text: bytes) -> None:
    codes(text)
    before = peak()
    assert codes(text) == ["E101"]
    assert peak() - before < 5 * 1024


def test_an_entity_without_doctype_is_none() -> None:
    assert codes(b"<event>&xxe;</event>") == ["E106"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('<?xml version="1.0" encoding="utf-16"?><event/>'.encode("utf-16"), "E102"),
        ("<event/>".encode("utf-16-le"), "E102"),
        (b'<?xml version="1.0" encoding="iso-8859-1"?><event/>', "E102"),
        (b'<?xml version="1.0" encoding="utf-7"?><event/>', "E102"),
        ("<event/>".encode("utf-8-sig"), "E102"),
        (b"<event name='\xff'/>", "E102"),
        (b"<event>\x00</event>", "E102"),
        (b"<event>" + b" " * MAX_BYTES + b"</event>", "E103"),
        (b"<?php x?><event/>", "E107"),
        (b"", "E106"),
        (b"<event>", "E106"),
        (b"<event/><event/>", "E106"),
        (b"\x1f\x8b\x08compressed", "E102"),
        (b'<event a="' + b"x" * 5000 + b'"/>', "E105"),
        (b"<event " + b" ".join(b'a%d=""' % n for n in range(33)) + b"/>", "E105"),
    ],
)
def test_orchestrate_101_what_is_not_plain_and_small_is_refused(text: bytes, code: str) -> None:
    assert codes(text) == [code]


def test_orchestrate_102_a_hint_at_a_schema_leads_to_no_call(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_call(*_: object, **__: object) -> None:
        raise AssertionError("a network call was made")

    monkeypatch.setattr(socket.socket, "connect", no_call)
    monkeypatch.setattr(socket, "getaddrinfo", no_call)
    hint = (
        '<event xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
        'xsi:noNamespaceSchemaLocation="http://127.0.0.1:1/e.xsd">'
    )
    assert codes(event_text(VMHOST).decode().replace("<event>", hint)) == []
    assert codes(hint.replace("xsi:no", 'xsi:type="x" xsi:no') + "</event>") == ["E207"]


def test_orchestrate_103_what_an_operator_wrote_has_no_power_in_a_message() -> None:
    text = '<trigger><eq fact="&#10;&lt;script&gt;" value="&#13;&#10;x"/></trigger>'
    _, [complaint] = read_event(event_text(text), "x")
    assert "\n" not in str(complaint)
    assert complaint.code == "E306"


def _mutated(source: bytes, chance: random.Random) -> bytes:
    made = bytearray(source)
    for _ in range(chance.randint(1, 8)):
        at = chance.randrange(len(made) + 1)
        match chance.randrange(6):
            case 0:
                made[at : at + chance.randint(1, 12)] = b""
            case 1:
                made[at:at] = bytes(chance.choices(b'<>/="&;!-[]?abc0123. \n', k=chance.randint(1, 6)))
            case 2:
                made[at:at] = made[at : at + chance.randint(1, 60)]
            case 3:
                made[at : at + 1] = bytes([chance.randrange(256)])
            case 4:
                made[at:at] = chance.choice(WORDS)
            case _:
                other = chance.randrange(len(made) + 1)
                made[at:other] = made[other:at]
    return bytes(made)


WORDS = [
    b"<!DOCTYPE x [", b"<!ENTITY a 'b'>", b"&a;", b"<![CDATA[", b"]]>", b"<?x?>", b"<and>", b"</and>", b"<if>",
    b"<then>", b"<else>", b'match="regexp"', b'type="date"', b'factvalue="vmhost.resource"', b"\xff", b"xmlns:x='y'",
    b'resetMode="both"', b'for="1s"', b'<between fact="vmhost.vm.count" low="2" high="1"/>', b'value="(a+"',
    b"<vmhost/>",
]  # fmt: skip


def test_orchestrate_105_ten_thousand_broken_documents_lead_to_plain_complaints() -> None:
    chance = random.Random(20310504)
    sources = [event_text(VMHOST), event_text(VMHOST, resetInterval="10m", notify="each", description="x"), BOMB]
    for source in sources:
        read_event(source, "x")
    before, read = peak(), 0
    for number in range(10_000):
        text = _mutated(sources[number % len(sources)], chance)
        began = time.process_time()
        found, complaints = read_event(text, "x")
        assert time.process_time() - began < 1
        assert (found is None) is any(one.severity == "error" for one in complaints)
        assert all(one.line >= 1 and one.column >= 1 and one.code[0] in "EW" for one in complaints)
        read += found is not None
    assert 0 < read < 9_000
    assert peak() - before < 40 * 1024


def test_what_is_refused_says_where() -> None:
    with pytest.raises(Refused) as caught:
        parse(b"<event>\n  <?x?></event>")
    assert (caught.value.complaint.line, caught.value.complaint.column) == (2, 3)
