"""The options of a kind as fields: what they are, and what a text in one of them means."""

from __future__ import annotations

from typing import Any

import pytest

from tasks.providers.table import kinds
from tasks.site.forms import Field, NoOption, fields_of, flat, nested, value_of


@pytest.mark.parametrize("name", sorted(kinds()))
def test_every_kind_has_fields_that_say_what_they_mean(name: str) -> None:
    fields = fields_of(kinds()[name].options)
    assert fields
    assert len({field.path for field in fields}) == len(fields)
    assert [field.path for field in fields if not field.description] == []


def test_sections_are_taken_apart() -> None:
    fields = {field.path: field for field in fields_of(kinds()["http"].options)}
    assert fields["url"].required
    assert fields["auth.token"].kind == "secret"
    assert (fields["auth.by"].kind, fields["auth.by"].default) == ("choice", "none")
    assert "keystone" in fields["auth.by"].choices
    assert (fields["tls.verify"].kind, fields["tls.verify"].default) == ("flag", "true")
    assert fields["cursor.overlap_seconds"].kind == "number"
    assert fields["paging.size"].kind == "whole"
    assert fields["parameters"].kind == "yaml"


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("text", "5", "5"),
        ("whole", "5", 5),
        ("number", "2.5", 2.5),
        ("flag", "Yes", True),
        ("flag", "false", False),
        ("secret", "${file:secrets/x}", "${file:secrets/x}"),
        ("yaml", "[a, b]", ["a", "b"]),
        ("yaml", "{a: 1}", {"a": 1}),
    ],
)
def test_a_text_is_read_as_its_field_says(kind: Any, text: str, value: Any) -> None:
    assert value_of(Field("x", kind, ""), text) == value


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("whole", "a"),
        ("number", ""),
        ("flag", "maybe"),
        ("secret", "hunter2"),
        ("secret", "x${file:a}"),
        ("yaml", "{a"),
        ("yaml", "!!python/object:os.system x"),
    ],
)
def test_a_text_that_is_no_value_is_refused_without_being_repeated(kind: Any, text: str) -> None:
    with pytest.raises(NoOption) as raised:
        value_of(Field("x", kind, ""), text)
    assert "hunter2" not in str(raised.value)


def test_paths_become_sections_and_back() -> None:
    values = {"url": "u", "auth.by": "none", "mapping.message_id": "id"}
    entry = nested(values)
    assert entry == {"url": "u", "auth": {"by": "none"}, "mapping": {"message_id": "id"}}
    assert flat(entry, fields_of(kinds()["http"].options)) == values
    with pytest.raises(NoOption):
        nested({"auth": "x", "auth.by": "none"})
