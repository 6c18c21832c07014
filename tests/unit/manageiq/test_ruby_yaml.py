"""Exports are read as plain data within bounds; nothing but that is ever made of them."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from workers.manageiq.ruby import MAX_ALIASES, MAX_BYTES, MAX_DEPTH, UnreadableExport, load


@pytest.mark.parametrize(
    ("text", "data"),
    [
        (
            "a: !ruby/object:MiqExpression\n  exp: {x: 1}\n  context_type:",
            {"a": {"exp": {"x": 1}, "context_type": None}},
        ),
        ("a: !ruby/hash:ActiveSupport::HashWithIndifferentAccess {b: c}", {"a": {"b": "c"}}),
        ("a: !ruby/hash-with-ivars:Some::Hash\n  elements: {b: c}\n  ivars: {':@d': 1}", {"a": {"b": "c"}}),
        (":from: :nobody\n:to: ':kept'", {"from": "nobody", "to": ":kept"}),
        ("a: !ruby/symbol b\nc: !ruby/sym ':d'", {"a": "b", "c": "d"}),
        ('a: :"two words"\nb: ::Foo\nc: 10:30', {"a": "two words", "b": "::Foo", "c": 630}),
        ("a: &x {b: 1}\nc: *x", {"a": {"b": 1}, "c": {"b": 1}}),
        ("a: 2026-11-21", {"a": datetime.date(2026, 11, 21)}),
        ("\ufeff- 1", [1]),
        ("", None),
    ],
)
def test_tags_and_symbols_of_an_export_become_plain_data(text: str, data: Any) -> None:
    assert load(text.encode()) == data


def test_aliases_are_written_out_as_values_of_their_own() -> None:
    data = load(b"a: &x {b: 1}\nc: *x")
    assert data["a"] is not data["c"]


@pytest.mark.parametrize(
    "tag",
    [
        "!ruby/object:Gem::Installer",
        "!ruby/object:Gem::Requirement",
        "!ruby/object:OpenStruct",
        "!ruby/struct:X",
        "!ruby/class",
        "!ruby/regexp",
        "!ruby/hash-and-more",
        "!!python/object/apply:os.system",
        "!!python/name:os.system",
        "!!binary",
        "!!set",
        "!anything",
    ],
)
@pytest.mark.parametrize("value", ["{i: x}", "[x]", "'x'"])
def test_any_other_tag_is_an_error_with_its_line(tag: str, value: str) -> None:
    with pytest.raises(UnreadableExport) as raised:
        load(f"- a\n- b\n- {tag} {value}\n".encode())
    assert raised.value.line == 3
    assert "the tag" in raised.value.what


@pytest.mark.parametrize(
    "value", ["!ruby/object:MiqExpression [x]", "!ruby/object:MiqExpression x", "!ruby/symbol [x]"]
)
def test_a_known_tag_on_another_kind_of_value_is_an_error(value: str) -> None:
    with pytest.raises(UnreadableExport, match="the tag"):
        load(f"- {value}".encode())


@pytest.mark.parametrize("value", ["!!bool maybe", "!!int ''", "!!int _", "!!float ''", "!!timestamp never"])
def test_a_value_that_is_none_of_its_tag_is_an_error_with_its_line(value: str) -> None:
    with pytest.raises(UnreadableExport, match="is no ") as raised:
        load(f"- a\n- {value}".encode())
    assert raised.value.line == 2


def test_billion_laughs_end_at_the_bound_of_values() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    with pytest.raises(UnreadableExport, match="expand to more than"):
        load("\n".join(lines).encode())


@pytest.mark.parametrize("text", ["a: &x [*x]", "a: &x {b: *x}"])
def test_an_alias_inside_of_itself_ends(text: str) -> None:
    with pytest.raises(UnreadableExport):
        load(text.encode())


@pytest.mark.parametrize(
    "text",
    [
        "[" * 10_000,
        "[" * 10_000 + "]" * 10_000,
        "{a: " * 10_000 + "1" + "}" * 10_000,
        "\n".join(f"{' ' * n}a:" for n in range(10_000 if MAX_DEPTH > 500 else 500)),
        "- " * 10_000 + "x",
    ],
)
def test_depth_is_bounded_and_told_with_its_line(text: str) -> None:
    with pytest.raises(UnreadableExport, match="levels deep") as raised:
        load(text.encode())
    assert raised.value.line is not None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"a" * (MAX_BYTES + 1), "bytes"),
        (b"- \xff\xfe", "not UTF-8"),
        (b"- \x07", "not allowed"),
        (b"- [1", "expected"),
        (b"a: 1\na: 2", "given twice"),
        (b"[1]: 2", "plain text"),
        (b"a: &x {b: 1}\nc:\n  <<: *x", "plain text"),
        (b"a: 2026-13-45", "month"),
        (b"--- 1\n--- 2\n", "document"),
        (b"a: *nobody", "alias"),
        (b"a: 1" + b":59" * 1_000_000, "number or date"),
        (b"a: " + b"1" * 5000, "number or date"),
        (b"- &x 1\n" + b"- *x\n" * (MAX_ALIASES + 1), "aliases"),
    ],
)
def test_what_cannot_be_read_is_told(text: bytes, said: str) -> None:
    with pytest.raises(UnreadableExport, match=said):
        load(text)
