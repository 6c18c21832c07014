"""Addresses: taken apart once, with values from outside as whole parts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.switchboard.address import encode_query, parse_address
from tasks.switchboard.errors import InvalidPathFormat
from tasks.switchboard.text import Filled, Filler, Untrusted

NAMES = st.text(alphabet="abcXYZ019_.-$", min_size=1, max_size=12)


def _with(before: str, value: str, after: str = "") -> Filled:
    filler = Filler()
    filler.literal(before)
    filler.value(Untrusted(value))
    filler.literal(after)
    return filler.filled()


def test_B01_an_address_without_fragment_has_no_message_of_its_own() -> None:
    assert parse_address(Filled("/N/C/i")).message is None


def test_B02_the_fragment_is_folded() -> None:
    assert parse_address(Filled("/N/C/i#DISCOVER")).message == "discover"


def test_B03_slashes_collapse_and_outer_blanks_go() -> None:
    address = parse_address(Filled("  //N///C//i "))
    assert (address.path, address.instance) == (("N", "C"), "i")


@pytest.mark.parametrize("text", ["nope:/N/C/i", "http:/N/C/i", "miqpeca:/N/C/i"])
def test_B05_an_unknown_scheme_is_refused(text: str) -> None:
    with pytest.raises(InvalidPathFormat, match="unknown scheme"):
        parse_address(Filled(text))


def test_B07_arguments_are_decoded_and_their_names_folded() -> None:
    address = parse_address(Filled("/N/C/i?Key=a+b%21&bare&x=1&x=2"))
    assert {name: value for _, name, value in address.arguments} == {
        "key": "a b!",
        "bare": "",
        "x": "2",
    }


def test_B08_a_value_reaches_to_the_next_argument_and_B09_keeps_its_slashes() -> None:
    address = parse_address(Filled("/N/C/i?u=http://h/?q=1&v=a=b"))
    assert [value for _, _, value in address.arguments] == ["http://h/?q=1", "a=b"]


@pytest.mark.parametrize(
    "text", ["/N/C/a b", "/N/C/é", "/N/C/{x", "/N/C/a|b", "/N/C/%zz", "/N/C/i?x=a b", "/N/C/\U000f0000x y"]
)
def test_B10_characters_outside_the_grammar_are_refused(text: str) -> None:
    with pytest.raises(InvalidPathFormat):
        parse_address(Filled(text))


def test_B11_percent_escapes_of_the_path_stay() -> None:
    assert parse_address(Filled("/N/C/%41")).instance == "%41"


def test_B15_a_query_is_sorted_and_encoded() -> None:
    assert encode_query({"b": "x y", "a::c": "1/2", "none": None, "n": 3}) == "a%3A%3Ac=1%2F2&b=x%20y&n=3"


@pytest.mark.parametrize("path", ["/N/C/", "/N/C//"])
def test_A18_a_trailing_slash_names_the_class(path: str) -> None:
    address = parse_address(Filled(path))
    assert (address.path, address.instance) == (("N", "C"), None)


@given(value=st.text(max_size=60))
def test_a_value_from_outside_is_one_segment_whatever_it_holds(value: str) -> None:
    address = parse_address(_with("/System/Event/", value))
    assert address.path == ("System", "Event")
    assert address.instance == value
    assert not address.wildcard
    assert (address.message, address.arguments) == (None, ())


@given(value=st.text(max_size=60))
def test_a_value_from_outside_is_one_argument_whatever_it_holds(value: str) -> None:
    address = parse_address(_with("/N/C/i?a=", value, "&b=2#run"))
    assert address.arguments == (("", "a", value), ("", "b", "2"))
    assert address.message == "run"


@given(
    parts=st.lists(NAMES, min_size=3, max_size=6),
    arguments=st.dictionaries(NAMES, st.text(max_size=20), max_size=4),
)
def test_what_was_put_together_is_taken_apart_again(parts: list[str], arguments: dict[str, str]) -> None:
    query = encode_query(dict(arguments))
    address = parse_address(Filled(f"/{'/'.join(parts)}?{query}"))
    assert (*address.path, address.instance) == tuple(parts)
    assert {name for _, name, _ in address.arguments} == {name.lower() for name in arguments}
    assert {value for _, _, value in address.arguments} <= set(arguments.values())


@given(text=st.text(max_size=80))
def test_any_text_is_an_address_or_refused(text: str) -> None:
    try:
        address = parse_address(Filled(text))
    except InvalidPathFormat:
        return
    assert all("/" not in part for part in address.path)
