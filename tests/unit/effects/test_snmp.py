"""The action ``snmp_trap`` against a real receiver: what arrives, what is refused, what is kept of it."""

from __future__ import annotations

import socket
import time
from typing import Any

import pytest
from pydantic import ValidationError
from pysnmp.hlapi.v3arch import asyncio as api

from tasks.effects.contracts import Done, EffectContext
from tasks.effects.snmp import ENTERPRISE, SnmpTrap, TrapParams
from tasks.effects.snmp_values import MAX_TEXT_BYTES
from tasks.model.errors import Permanent, Transient
from tasks.site.references import NoSecret
from tasks.site.settings import Settings
from tests.unit.effects.snmp_ground import AUTH_KEY, COMMUNITY, PRIV_KEY, receiver

KEY = "7:alert:down:snmp_trap:server/s1:0"
EVENT = {"id": 7, "event_type": "vm_poweroff", "provider": "lab"}
TARGET = {"kind": "server", "id": "s1", "name": "web-1"}
RULE = {"kind": "alert", "name": "down", "severity": "error", "summary": "web-1 is down"}
V2 = {"community": "${env:SNMP_COMMUNITY}"}
V3 = {
    "version": "v3",
    "user": "erin",
    "auth_protocol": "SHA",
    "auth_key": "${env:SNMP_AUTH}",
    "priv_protocol": "AES128",
    "priv_key": "${env:SNMP_PRIV}",
}


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, secret in (("COMMUNITY", COMMUNITY), ("AUTH", AUTH_KEY), ("PRIV", PRIV_KEY), ("WRONG", "not-the-phrase")):
        monkeypatch.setenv(f"SNMP_{name}", secret)


def run(port: int, rule: Any = RULE, **params: Any) -> Done:
    context = EffectContext(KEY, 1, EVENT, TARGET, Settings.model_construct(), ".", rule=rule)
    return SnmpTrap().run(TrapParams(host="127.0.0.1", port=port, **params), context)


@pytest.mark.parametrize("kind", ["trap", "inform"])
@pytest.mark.parametrize(("way", "by"), [(V2, "area noAuthNoPriv"), (V3, "erin authPriv")], ids=["v2c", "v3"])
def test_a_receiver_gets_what_happened_to_which_object_and_by_which_rule(
    way: dict[str, Any], by: str, kind: str
) -> None:
    with receiver() as there:
        done = run(there.port, **way, kind=kind)
        who, got = there.first()
    assert who == by
    assert str(got.pop("1.3.6.1.6.3.1.1.4.1.0")) == f"{ENTERPRISE}.3"
    assert type(got.pop("1.3.6.1.2.1.1.3.0")) is api.TimeTicks
    assert {oid.removeprefix(f"{ENTERPRISE}.3."): str(value) for oid, value in got.items()} == {
        "1": "web-1 is down",
        "2": "vm_poweroff",
        "4": "server/s1 web-1",
        "8": "lab",
        "9": "error",
        "10": KEY,
    }
    said = "answered the inform" if kind == "inform" else "was sent the trap"
    assert done == Done(f"127.0.0.1:{there.port} {said}", {"trap_oid": f"{ENTERPRISE}.3", "variables": 6})


PROTOCOLS = [
    ("MD5", api.USM_AUTH_HMAC96_MD5, "DES", api.USM_PRIV_CBC56_DES),
    ("SHA224", api.USM_AUTH_HMAC128_SHA224, "AES192", api.USM_PRIV_CFB192_AES),
    ("SHA256", api.USM_AUTH_HMAC192_SHA256, "AES256", api.USM_PRIV_CFB256_AES),
    ("SHA384", api.USM_AUTH_HMAC256_SHA384, "AES128", api.USM_PRIV_CFB128_AES),
    ("SHA512", api.USM_AUTH_HMAC384_SHA512, "AES256", api.USM_PRIV_CFB256_AES),
]


@pytest.mark.parametrize(("auth", "theirs", "priv", "their_priv"), PROTOCOLS, ids=[p[0] for p in PROTOCOLS])
def test_every_protocol_of_v3_is_understood(auth: str, theirs: Any, priv: str, their_priv: Any) -> None:
    with receiver(theirs, their_priv) as there:
        run(there.port, **{**V3, "auth_protocol": auth, "priv_protocol": priv}, kind="inform")
        assert there.first()[0] == "erin authPriv"


def test_later_v3_traps_are_not_taken_for_old_ones() -> None:
    with receiver() as there:
        for number in range(3):
            run(there.port, **V3, variables=[{"oid": "message", "value": str(number)}])
        until = time.monotonic() + 10
        while len(there.arrived) < 3 and time.monotonic() < until:
            time.sleep(0.02)
    assert len(there.arrived) == 3


def test_an_engine_id_of_ones_own_is_what_a_receiver_knows_the_user_by() -> None:
    with receiver() as there:
        run(there.port, **V3, engine_id="0x8000000001020304")
        assert there.first()[0] == "erin authPriv"


def test_values_arrive_as_the_types_that_are_asked_for() -> None:
    values = [
        ("Integer32", "-5", api.Integer32(-5)),
        ("Unsigned32", 5, api.Unsigned32(5)),
        ("OctetString", "größer", api.OctetString("größer".encode())),
        ("ObjectIdentifier", "1.3.6.1.4.1.9", api.ObjectIdentifier("1.3.6.1.4.1.9")),
        ("IpAddress", "192.0.2.7", api.IpAddress("192.0.2.7")),
        ("Counter32", "4294967295", api.Counter32(2**32 - 1)),
        ("Counter64", "18446744073709551615", api.Counter64(2**64 - 1)),
        ("Gauge32", "7", api.Gauge32(7)),
        ("TimeTicks", "100", api.TimeTicks(100)),
    ]
    variables = [{"oid": f"1.3.6.1.4.1.99.{n}", "type": t, "value": v} for n, (t, v, _) in enumerate(values)]
    with receiver() as there:
        run(there.port, **V2, trap_oid="1.3.6.1.4.1.99.1.2", variables=variables)
        _, got = there.first()
    assert str(got["1.3.6.1.6.3.1.1.4.1.0"]) == "1.3.6.1.4.1.99.1.2"
    for number, (_, _, wanted) in enumerate(values):
        found = got[f"1.3.6.1.4.1.99.{number}"]
        # On the wire some types are one: what is compared is the tag.
        assert (found.tagSet, found) == (wanted.tagSet, wanted)


@pytest.mark.parametrize(
    ("kind", "value", "why"),
    [
        ("Integer32", "many", "'many' is no whole number"),
        ("Integer32", "2147483648", "does not lie between"),
        ("Integer32", "1" * 500, "is no whole number"),
        ("Unsigned32", "-1", "does not lie between 0 and 4294967295"),
        ("Counter64", "18446744073709551616", "does not lie"),
        ("Gauge32", "", "'' is no whole number"),
        ("TimeTicks", "1.5", "is no whole number"),
        ("IpAddress", "fe80::1", "is no IPv4 address"),
        ("ObjectIdentifier", "one.two", "is no OID"),
        ("ObjectIdentifier", "1.4294967296", "is no OID"),
    ],
)
def test_a_value_that_its_type_cannot_hold_is_named_and_nothing_is_sent(kind: str, value: str, why: str) -> None:
    variables = [{"oid": "message", "value": "x"}, {"oid": "1.3.6.1.4.1.99.7", "type": kind, "value": value}]
    with pytest.raises(Permanent, match=rf"variable 2 \(1.3.6.1.4.1.99.7\) is no {kind}: .*{why}.*Correct"):
        run(1, **V2, variables=variables)


def test_a_long_text_is_cut_between_characters_and_the_result_says_so() -> None:
    with receiver() as there:
        done = run(there.port, **V2, variables=[{"oid": "message", "value": "x" + "ü" * MAX_TEXT_BYTES}])
        _, got = there.first()
    assert len(bytes(got[f"{ENTERPRISE}.3.3"]).decode()) == 1 + (MAX_TEXT_BYTES - 1) // 2
    assert done.detail["cut"] == [f"{ENTERPRISE}.3.3"]


@pytest.mark.parametrize("way", [V2, V3], ids=["v2c", "v3"])
@pytest.mark.parametrize("kind", ["trap", "inform"])
def test_a_notification_beyond_one_datagram_is_final(way: dict[str, Any], kind: str) -> None:
    variables = [{"oid": f"1.3.6.1.4.1.99.{n}", "value": "x" * MAX_TEXT_BYTES} for n in range(64)]
    with receiver() as there, pytest.raises(Permanent, match="too large for one datagram"):
        run(there.port, **way, kind=kind, variables=variables)


@pytest.mark.parametrize("way", [V2, V3], ids=["v2c", "v3"])
def test_an_inform_that_nobody_answers_is_tried_again(way: dict[str, Any]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", 0))
        with pytest.raises(Transient, match=r"did not answer the inform within 0\.6 s"):
            run(deaf.getsockname()[1], **way, kind="inform", timeout_seconds=0.6)


def test_a_wrong_community_is_not_answered() -> None:
    with receiver() as there, pytest.raises(Transient, match="did not answer"):
        run(there.port, community="${env:SNMP_WRONG}", kind="inform", timeout_seconds=0.6)
    assert there.arrived == []


@pytest.mark.parametrize("changed", [{"user": "mallory"}, {"auth_key": "${env:SNMP_WRONG}"}], ids=["user", "key"])
def test_a_receiver_that_refuses_the_user_is_final_and_no_key_is_told(changed: dict[str, str]) -> None:
    with receiver() as there, pytest.raises(Permanent, match=r"refuses the inform.*on both sides") as refusal:
        run(there.port, **{**V3, **changed}, kind="inform", timeout_seconds=5)
    assert there.arrived == []
    assert AUTH_KEY not in str(refusal.value)
    assert refusal.value.__cause__ is None


def test_a_secret_that_is_not_there_is_named_by_its_reference() -> None:
    with pytest.raises(NoSecret, match="SNMP_NOWHERE is not set"):
        run(1, community="${env:SNMP_NOWHERE}")


def test_a_key_too_short_for_v3_is_final_and_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SNMP_SHORT", "hunter2")
    with pytest.raises(Permanent, match="auth_key has fewer than 8 characters") as refusal:
        run(1, **{**V3, "auth_key": "${env:SNMP_SHORT}"})
    assert "hunter2" not in str(refusal.value)


def test_a_receiver_without_an_address_is_tried_again() -> None:
    context = EffectContext(KEY, 1, EVENT, None, Settings.model_construct(), ".")
    with pytest.raises(Transient, match=r"the address of no\.such\.host\.invalid is not to be had"):
        SnmpTrap().run(TrapParams(host="no.such.host.invalid", **V2), context)


def test_no_secret_stands_in_a_result() -> None:
    with receiver() as there:
        kept = [str(run(there.port, **way, kind="inform")) for way in (V2, V3)]
    for text in kept:
        assert all(secret not in text for secret in (COMMUNITY, AUTH_KEY, PRIV_KEY))


@pytest.mark.parametrize(("severity", "branch"), [("info", 1), ("warning", 2), ("error", 3), (None, 1)])
def test_the_severity_chooses_the_trap(severity: str | None, branch: int) -> None:
    with receiver() as there:
        done = run(there.port, {"kind": "alert", "name": "a", "severity": severity}, **V2)
    assert done.detail["trap_oid"] == f"{ENTERPRISE}.{branch}"


@pytest.mark.parametrize(
    ("wrong", "where", "what"),
    [
        ({}, "community", "v2c needs one"),
        ({"community": "public"}, "community", "does not belong in this file"),
        ({**V2, "user": "erin"}, "user", "only v3 has one"),
        ({**V2, "auth_protocol": "SHA"}, "auth_protocol", "set version: v3"),
        ({"version": "v3"}, "user", "v3 needs one"),
        ({**V3, **V2}, "community", "only v2c has one"),
        ({**V3, "auth_key": None}, "auth_key", "SHA needs one"),
        ({**V3, "auth_key": "hunter2-hunter2"}, "auth_key", "name it as"),
        ({**V3, "priv_protocol": "none"}, "priv_key", "it is not used"),
        ({"version": "v3", "user": "e", "priv_protocol": "DES"}, "priv_protocol", "set auth_protocol too"),
        ({**V2, "trap_oid": "linkDown"}, "trap_oid", "write it as 1.3.6"),
        ({**V2, "variables": [{"oid": "1.77.1", "value": "x"}]}, "variables", "write it as 1.3.6"),
        ({**V2, "variables": [{"oid": "message", "value": "x", "type": "Opaque"}]}, "variables", "Integer32"),
        ({**V2, "variables": [{"oid": "message", "value": "x"}] * 65}, "variables", "at most 64"),
        ({**V2, "engine_id": "80"}, "engine_id", "pattern"),
        ({**V2, "host": "${event.host}"}, "host", "pattern"),
        ({**V2, "retries": 3}, "retries", "Extra inputs"),
    ],
)
def test_parameters_that_cannot_work_are_found_when_the_site_is_read(
    wrong: dict[str, Any], where: str, what: str
) -> None:
    with pytest.raises(ValidationError) as mistakes:
        TrapParams.model_validate({"host": "nms.example.org", **wrong})
    [mistake] = mistakes.value.errors()
    assert (mistake["loc"][0], what in mistake["msg"]) == (where, True), mistake["msg"]
    assert "hunter2" not in mistake["msg"]
