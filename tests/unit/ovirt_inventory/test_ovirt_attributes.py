"""Attributes of oVirt's objects take only what every database and every rule can work with."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.providers.ovirt import attributes
from tasks.providers.ovirt.kinds import KINDS

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
#: Keys that the readers look for, so that the hostile values end up where they hurt.
_WORDS = """
    id name status nics nic cpu topology cores memory tags tag cluster ips ip custom_properties custom_property value
    address reported_devices reported_device version data_centers data_center available used vlan usages usage
    creation_time major minor
"""
keys = st.sampled_from(_WORDS.split())
hostile = st.recursive(
    anything, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=6), max_leaves=30
)


@given(st.dictionaries(keys, hostile, max_size=12))
def test_whatever_an_engine_sends_becomes_json_without_nul_and_surrogates(found: dict[str, Any]) -> None:
    for kind in KINDS.values():
        kept = json.dumps(kind.keep(found), allow_nan=False, ensure_ascii=False)
        kept.encode("utf-8")
        assert "\\u0000" not in kept


@given(hostile)
def test_every_value_in_every_place_is_survived(value: object) -> None:
    for kind in KINDS.values():
        found = dict.fromkeys(("id", "name", "cpu", "cluster", "nics", "tags", "version", "memory"), value)
        json.dumps(kind.keep(found), allow_nan=False, ensure_ascii=False).encode("utf-8")


@pytest.mark.parametrize(
    ("given_value", "kept"),
    [
        (1920700800000, "2030-11-12T08:00:00.000000Z"),
        ("1920700800000", "2030-11-12T08:00:00.000000Z"),
        (0, "1970-01-01T00:00:00.000000Z"),
        (10**30, None),
        (-(10**17), None),
        (float("inf"), None),
        ("yesterday", None),
        (None, None),
    ],
)
def test_moments_are_milliseconds_and_become_utc(given_value: object, kept: str | None) -> None:
    assert attributes.moment(given_value) == kept


@pytest.mark.parametrize(
    ("topology", "count"),
    [
        ({"sockets": "2", "cores": "4", "threads": "2"}, 16),
        ({"sockets": 1, "cores": 2}, 2),
        ({"sockets": "1"}, None),
        ({"sockets": "0", "cores": "4"}, None),
        ({"sockets": "2147483647", "cores": "2147483647"}, None),
        ({}, None),
    ],
)
def test_vcpus_are_sockets_times_cores_times_threads(topology: dict[str, object], count: int | None) -> None:
    assert attributes.vcpus({"cpu": {"topology": topology}}) == count


@pytest.mark.parametrize(
    ("status", "power", "task"),
    [
        ("up", "on", None),
        ("powering_up", "on", None),
        ("migrating", "on", "migrating"),
        ("down", "off", None),
        ("suspended", "suspended", None),
        ("paused", "paused", None),
        ("not_responding", "unknown", None),
        ("a status to come", "unknown", None),
    ],
)
def test_power_and_task_follow_from_the_status(status: str, power: str, task: str | None) -> None:
    kept = attributes.server({"status": status})
    assert (kept["power_state"], kept["task_state"]) == (power, task)


def test_what_an_engine_does_not_embed_is_null_and_what_is_empty_is_a_list() -> None:
    bare = attributes.server({"status": "down"})
    empty = attributes.server({"status": "down", "nics": {}, "tags": {}, "disk_attachments": {}})
    for name in ("addresses", "network_ids", "mac_addresses", "tags", "disk_ids"):
        assert (bare[name], empty[name]) == (None, [])


def test_sizes_are_in_their_unit_and_texts_are_cut() -> None:
    assert attributes.sized(3 << 29, attributes.GIB) == 1.5
    assert attributes.sized("5368709120", attributes.GIB) == 5
    assert len(attributes.server({"status": "x" * 5000})["status"]) == 1024
    many = {"custom_properties": {"custom_property": [{"name": str(n), "value": "v"} for n in range(5000)]}}
    assert len(attributes.server(many)["custom_properties"]) == 128
