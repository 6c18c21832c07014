"""Changing single entries of providers.yaml: comments and all other entries stay as they are."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.site.entries import NotEdited, added, changed, entry_of, removed, text_of

FILE = b"""\
# Our clouds.
providers:
  # the first one
  - name: a
    type: openstack   # a kind
    # where it is
    cloud: a
    amqp:
      urls: [amqps://x]
      password: ${file:bus}   # by reference

  # the second one
  - {name: b, type: http, url: "http://x"}
# the end
"""
NEW = {"name": "c", "type": "http", "auth": {"by": "bearer", "token": "${file:t}"}}


def data(content: bytes) -> Any:
    return yaml.safe_load(content)


def comments(content: bytes) -> list[str]:
    return [line.strip() for line in content.decode().splitlines() if line.strip().startswith("#")]


def test_an_entry_is_added_behind_the_last_one() -> None:
    found = added(FILE, NEW)
    assert data(found)["providers"] == [*data(FILE)["providers"], NEW]
    assert found.startswith(FILE[: FILE.index(b"# the end")])
    assert found.endswith(b"      token: ${file:t}\n# the end\n")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"# nothing yet\n",
        b"providers:\n",
        b"providers: []\n",
        b"providers:   # ours\n#  - name: x\n#    type: y\n",
        b"providers:\n- name: x\n  type: y\n",
        b"providers:\n    - name: x\n      type: y",
    ],
)
def test_an_entry_is_added_to_any_beginning(content: bytes) -> None:
    found = added(content, NEW)
    before = (data(content) or {}).get("providers") or []
    assert data(found) == {"providers": [*before, NEW]}
    assert comments(found) == comments(content)


def test_keys_are_changed_where_they_stand() -> None:
    found = changed(FILE, "a", {"cloud": "z", "amqp": None, "monitor": "panko"})
    assert data(found)["providers"][0] == {"name": "a", "type": "openstack", "cloud": "z", "monitor": "panko"}
    assert data(found)["providers"][1] == data(FILE)["providers"][1]
    assert comments(found) == comments(FILE)
    assert b"type: openstack   # a kind" in found


def test_an_entry_in_braces_is_written_out() -> None:
    found = changed(FILE, "b", {"url": "http://y"})
    assert data(found)["providers"][1] == {"name": "b", "type": "http", "url": "http://y"}
    assert comments(found) == comments(FILE)


@pytest.mark.parametrize("name", ["a", "b"])
def test_an_entry_is_taken_out(name: str) -> None:
    found = removed(FILE, name)
    assert [entry["name"] for entry in data(found)["providers"]] == [n for n in "ab" if n != name]
    assert {"# Our clouds.", "# the end"} <= set(comments(found))


def test_the_last_entry_can_be_taken_out() -> None:
    assert data(removed(removed(FILE, "a"), "b")) == {"providers": None}


def test_an_entry_shows_references_and_not_secrets() -> None:
    assert entry_of(FILE, "a")["amqp"]["password"] == "${file:bus}"
    assert yaml.safe_load(text_of(NEW)) == [NEW]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"providers: [{name: b, type: http}]\n", "in brackets"),
        (b"providers:\n  - name: [\n", "is no YAML"),
        (b"- a\n", "no list of providers"),
        (b"providers: 5\n", "no list of providers"),
        (b"providers:\n  - name: c\n", "already"),
    ],
)
def test_what_cannot_be_changed_as_text_is_told(content: bytes, words: str) -> None:
    with pytest.raises(NotEdited, match=words):
        added(content, NEW)


def test_an_unknown_name_is_told_with_the_known_ones() -> None:
    with pytest.raises(NotEdited, match="It names: a, b"):
        changed(FILE, "z", {})


@pytest.mark.parametrize(
    "content",
    [
        b"providers:\n  -\n    name: a\n    x: 1\n",
        b"providers:\n  - &a\n    name: a\n    x: 1\n",
        b"providers:\n  - ? name\n    : a\n",
    ],
)
def test_an_unusual_way_of_writing_is_changed_rightly_or_refused(content: bytes) -> None:
    try:
        found = changed(content, "a", {"x": 2})
    except NotEdited:
        return
    assert data(found)["providers"][0]["x"] == 2


_PLAIN = (
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="ascii", min_codepoint=32), max_size=20)
)
_VALUE = _PLAIN | st.lists(_PLAIN, max_size=3) | st.dictionaries(st.sampled_from("pqr"), _PLAIN, max_size=3)
_ENTRY = st.dictionaries(st.sampled_from(["cloud", "monitor", "auth", "url", "x"]), _VALUE, max_size=4)


@settings(max_examples=150, deadline=None)
@given(st.lists(_ENTRY, min_size=1, max_size=3), _ENTRY)
def test_any_change_leaves_all_others_alone(entries: list[dict[str, Any]], keys: dict[str, Any]) -> None:
    content = b"# head\nproviders:\n"
    named = [{"name": f"n{n}", **entry} for n, entry in enumerate(entries)]
    for entry in named:
        content = added(content, entry)
    found = data(changed(content, "n0", keys))["providers"]
    wanted = {k: v for k, v in {**named[0], **keys}.items() if k not in keys or v is not None}
    assert found == [wanted, *named[1:]]
