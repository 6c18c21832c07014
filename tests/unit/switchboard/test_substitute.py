"""``${...}``: what each token reads, and that values never become syntax."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.switchboard.errors import InvalidPathFormat, LimitExceeded
from tasks.switchboard.substitute import split
from tests.unit.switchboard.small_datastores import datastore, domain, klass, run

PARENT = klass(
    "NS", "P", [("pa", "attribute", {"default_value": "PA"}), ("r", "relationship")], {"p": {"r": "/NS/K/k"}}
)


def _child(text: str, root: dict[str, Any] | None = None, **options: Any) -> Any:
    fields = [
        ("own", "attribute", {"default_value": "OWN"}),
        ("f", "attribute", {"substitute": True, **options}),
    ]
    store = datastore(domain("D", PARENT, klass("NS", "K", fields, {"k": {"f": text}})))
    workspace = run(store, "/NS/P/p", root)
    if workspace.error is not None:
        return type(workspace.error).__name__
    assert workspace.root is not None
    return workspace.root.children[0].get("f")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("${#own}", "OWN", id="C01"),
        pytest.param("<${/#pa}>", "<PA>", id="C02"),
        pytest.param("${p#pa}", "PA", id="C03"),
        pytest.param("${NS/P#pa}${/ns/p#pa}${/D/NS/P#pa}", "PAPAPA", id="C04"),
        pytest.param("${Other#pa}", "ObjectNotFound", id="C05"),
        pytest.param("${K#own}", "ObjectNotFound", id="C06"),
        pytest.param("${..#pa}${/..#pa}${.#own}", "PAPAOWN", id="C07"),
        pytest.param("${../..#pa}", "ObjectNotFound", id="C07-too-far"),
        pytest.param("a${#none}b", "ab", id="C08"),
        pytest.param("${}", "${}", id="C09"),
        pytest.param("${#own}+${/#pa}+${", "OWN+PA+${", id="C10"),
        pytest.param("${#own.downcase}", "own", id="C14"),
        pytest.param("${#own.delete}", "", id="C12-unknown"),
        pytest.param("${/NS/Cfg/Default#x}", "ObjectNotFound", id="C17"),
        pytest.param("${!current_message}", "create", id="C22"),
        pytest.param("${!other}", "InvalidPathFormat", id="C22-other"),
    ],
)
def test_a_token_reads(text: str, expected: str) -> None:
    assert _child(text) == expected


def test_C11_a_value_that_looks_like_a_token_is_not_read_again() -> None:
    assert _child("${/#x}", {"x": "${#own}"}) == "${#own}"


def test_C12_keys_are_followed_and_nothing_on_the_way_is_empty() -> None:
    vm = {"owner": {"email": "o@x"}}
    assert _child("${/#vm.owner.email}|${/#vm.nope}|${/#none.name}", {"vm": vm}) == "o@x||"


def test_C13_one_argument_is_passed_where_the_value_takes_one() -> None:
    request = {"get_option": lambda name: f"<{name}>"}
    assert _child("${/#req.get_option(:number)}${/#req.get_option(text)}", {"req": request}) == "<number><text>"


def test_C15_an_instance_on_the_side_joins_no_tree() -> None:
    side = klass(
        "NS",
        "Side",
        [("v", "attribute", {"default_value": "V"}), ("go", "method")],
        {"i": {"go": "m"}},
        ["m"],
    )
    main = klass("NS", "C", [("f", "attribute")], {"i": {"f": "${miqaedb:/NS/Side/i/v}"}})
    workspace = run(datastore(domain("D", main, side)), "/NS/C/i")
    assert workspace.root is not None
    assert workspace.root.get("f") == "V"
    assert (len(workspace.objects), workspace.calls) == (1, [])


def test_C20_without_substitution_the_text_stays() -> None:
    assert _child("${#own}", substitute=False) == "${#own}"


def test_C23_blank_text_of_an_instance_is_a_value_among_alternatives() -> None:
    field = ("f", "attribute", {"datatype": "null coalescing", "default_value": "fallback"})
    store = datastore(domain("D", klass("NS", "C", [field], {"blank": {"f": ""}, "null": {"f": None}})))
    blank, null = run(store, "/NS/C/blank").root, run(store, "/NS/C/null").root
    assert blank is not None
    assert null is not None
    assert (blank.get("f"), null.get("f")) == (None, "fallback")


@pytest.mark.parametrize("text", ["${no hash}", "${/}", "${#a b}", "${#a.b(}", "${P#}"])
def test_a_token_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(InvalidPathFormat):
        split(text)


@given(text=st.text(max_size=60))
def test_literal_text_and_tokens_make_up_the_whole(text: str) -> None:
    try:
        pieces = split(text)
    except InvalidPathFormat:
        assert "${" in text
        return
    assert "".join(piece for piece in pieces if isinstance(piece, str)) == text or "${" in text


@given(value=st.text(max_size=40))
def test_a_value_from_outside_arrives_unchanged(value: str) -> None:
    assert _child("${/#x}", {"x": value}) == value


def test_fields_that_double_each_other_are_stopped() -> None:
    fields = [("a0", "attribute", {"default_value": "x" * 100})]
    fields += [(f"a{n}", "attribute", {"default_value": f"${{#a{n - 1}}}" * 4}) for n in range(1, 12)]
    workspace = run(datastore(domain("D", klass("NS", "C", fields, {"i": {}}))), "/NS/C/i")
    assert isinstance(workspace.error, LimitExceeded)
