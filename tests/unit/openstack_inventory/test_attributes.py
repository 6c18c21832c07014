"""Attributes take only what every database and every rule can work with."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.providers.openstack import attributes, more_attributes, network_attributes, node_attributes

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


class Anything:
    """An object with every attribute, all of one hostile value."""

    def __init__(self, value: object) -> None:
        self._value = value

    def __getattr__(self, name: str) -> object:
        return self.__dict__["_value"]


@given(anything)
def test_whatever_a_cloud_sends_becomes_json_without_nul_and_surrogates(value: object) -> None:
    found: Any = Anything(value)
    for keep in (
        attributes.server,
        attributes.project,
        attributes.flavor,
        attributes.image,
        attributes.volume,
        attributes.snapshot,
        more_attributes.host,
        more_attributes.availability_zone,
        more_attributes.aggregate,
        more_attributes.server_group,
        more_attributes.keypair,
        more_attributes.user,
        more_attributes.backup,
        more_attributes.stack,
        network_attributes.network,
        network_attributes.subnet,
        network_attributes.port,
        network_attributes.router,
        network_attributes.floating_ip,
        network_attributes.security_group,
        node_attributes.node,
    ):
        kept = json.dumps(keep(found), allow_nan=False, ensure_ascii=False)
        kept.encode("utf-8")
        assert "\\u0000" not in kept


def test_texts_lists_and_mappings_are_cut() -> None:
    assert attributes.text("x" * 5000) == "x" * attributes.TEXT_LIMIT
    assert attributes.text("a\x00b\ud800") == "ab?"
    assert len(attributes.texts(["x"] * 5000)) == attributes.LIST_LIMIT
    assert len(attributes.words({str(n): n for n in range(5000)})) == attributes.KEYS_LIMIT


@pytest.mark.parametrize(
    ("given_value", "kept"),
    [
        (5, 5),
        ("5", 5),
        ("2.5", 2.5),
        (float("nan"), None),
        ("", None),
        (True, None),
        (2**80, None),
        ("x", None),
    ],
)
def test_numbers_are_finite_or_none(given_value: object, kept: object) -> None:
    assert attributes.number(given_value) == kept


@pytest.mark.parametrize(
    ("given_value", "kept"),
    [
        ("2031-05-06T07:08:09Z", "2031-05-06T07:08:09.000000Z"),
        ("2031-05-06T07:08:09.5", "2031-05-06T07:08:09.500000Z"),
        ("2031-05-06T09:08:09+02:00", "2031-05-06T07:08:09.000000Z"),
        ("yesterday", None),
        (None, None),
    ],
)
def test_moments_are_utc_whatever_the_service_writes(given_value: object, kept: str | None) -> None:
    assert attributes.moment(given_value) == kept


@pytest.mark.parametrize(
    ("number", "word"), [(1, "on"), (4, "off"), (6, "off"), (7, "suspended"), (3, "paused"), (0, "unknown")]
)
def test_power_numbers_become_words(number: int, word: str) -> None:
    found = Anything(None)
    found.__dict__["power_state"] = number
    assert attributes.server(found)["power_state"] == word


def test_server_of_an_old_nova_has_its_flavor_by_id_alone() -> None:
    found = Anything(None)
    found.__dict__["flavor"] = SimpleNamespace(id="f-1", original_name=None, vcpus=0, ram=0, disk=0)
    kept = attributes.server(found)
    assert (kept["flavor_id"], kept["flavor_name"], kept["vcpus"]) == ("f-1", None, None)
