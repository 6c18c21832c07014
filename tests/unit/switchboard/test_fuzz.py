"""Whatever stands in a tree of files, and whatever is asked of it: a clear error or an answer, and no code run."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.switchboard.address import encode_query, parse_address
from tasks.switchboard.datastore import Datastore
from tasks.switchboard.engine import resolve
from tasks.switchboard.errors import AutomateError
from tasks.switchboard.load import load_domains
from tasks.switchboard.substitute import split
from tasks.switchboard.text import Filled
from tests.unit.switchboard.small_datastores import domain, files_of, klass

TEXT = st.text(max_size=60)
NAMES = st.text(alphabet="abcxyz_09", min_size=1, max_size=8)
PATHS = st.text(alphabet=st.sampled_from("/abAB.*#?&=:${}%_- \x1f\u20ac"), max_size=40)

#: Pieces that mean something somewhere in a tree, and some that must mean nothing.
PIECES = (
    *("object:", "fields:", "schema:", "inputs:", "- field:", "aetype: state", "aetype: nothing", "name: .missing"),
    *("value: '${/#a.b.c}'", "value: '/NS/C/*'", "value: 'METHOD::m'", "value: '${${x}}'", "collect: '[a'"),
    *("max_retries: -1", "max_time: soon", "message: '*'", "&a [*a]", "*a", "<<: *a", "? [1,2]", "- - - -"),
    *("!!python/object/apply:os.system ['touch HERE']", "!!python/name:os.system", "!!binary x", "priority: x"),
    *("{" * 50, "[" * 200, "\t", "\x00", "\ufeff", "value: 'm(a => 1, b => ''x'')'", "value: 'send_email(to => a)'"),
    *("default_value: '${#ae_state}'", "on_entry: '; ;#'"),
)
TOKENS = ("${", "}", "#", "/", "a", ".b", "(", ":c", ")", "!", "miqaedb:")
STRAY = ("x.yaml", "__class__.yaml", "y/__namespace__.yaml")


def small() -> dict[str, bytes]:
    """A tree with one of everything."""
    values = {"guard": "true", "a": "${/#x}", "rel": "/NS/D/*?k=${#a}", "go": "m(x => 1)", "s": "METHOD::m"}
    kinds = [("guard", "assertion"), ("a", "attribute"), ("rel", "relationship"), ("go", "method"), ("s", "state")]
    first = klass("NS", "C", kinds, {"i": values, ".missing": {}}, [["m", {"inputs": [["x", {}]]}]])
    return files_of(domain("D", first, klass("NS/Deep/Er", "D", kinds, {"one": {}, "two": values})))


def mutated(seed: int, here: Path) -> dict[str, bytes]:
    """The tree with a few places of a few files changed."""
    chance = random.Random(seed)
    files = small()
    for _ in range(chance.randint(1, 4)):
        path = chance.choice(sorted(files))
        lines = files[path].decode("utf-8", "replace").splitlines()
        at = chance.randrange(len(lines) + 1)
        piece = chance.choice(PIECES).replace("HERE", str(here / "executed"))
        indent = " " * chance.choice((0, 2, 4, 6, 8))
        match chance.randrange(5):
            case 0:
                lines.insert(at, indent + piece)
            case 1:
                lines[at : at + 1] = [indent + piece]
            case 2:
                lines[at : at + 2] = []
            case 3:
                lines = [
                    line.replace(chance.choice("abcdim:'"), piece, 1) if chance.random() < 0.1 else line
                    for line in lines
                ]
            case _:
                lines[at:at] = lines[: chance.randrange(6)]
        files[path] = "\n".join(lines).encode()
        if chance.random() < 0.1:
            files[path] = bytes(chance.randrange(256) for _ in range(50))
        if chance.random() < 0.1:
            files[f"{path.rpartition('/')[0]}/{chance.choice(STRAY)}"] = files[path]
    return files


@pytest.mark.parametrize("start", range(0, 400, 50))
def test_a_mutated_tree_is_told_or_loaded_and_never_more_than_that(start: int, tmp_path: Path) -> None:
    for seed in range(start, start + 50):
        began = time.monotonic()
        domains, problems = load_domains(mutated(seed, tmp_path), "automate")
        assert all(p.what and p.mend and p.path for p in problems), seed
        for uri in ("/NS/C/i", "/NS/Deep/Er/D/*", "/NS/C/absent", "/D/NS/C/i#other"):
            workspace = resolve(Datastore(domains), {"x": "y", "event_type": "*"}, uri)
            assert workspace.outcome in ("ok", "missing", "error"), seed
        assert time.monotonic() - began < 30, seed
        assert not (tmp_path / "executed").exists(), seed


def _is_clear(mistake: Exception) -> None:
    assert len(str(mistake)) > 10


@given(st.one_of(TEXT, PATHS))
@settings(max_examples=400, deadline=1000)
def test_any_text_is_an_address_or_a_clear_error(text: str) -> None:
    try:
        address = parse_address(Filled(text))
    except AutomateError as mistake:
        _is_clear(mistake)
        return
    assert address.scheme in ("", "miqaedb", "miqaews", "miqae", "method", "miqaemethod")
    assert parse_address(Filled(text)) == address


@given(
    st.dictionaries(st.text(alphabet="abcxyz_09", min_size=1, max_size=8), st.one_of(st.none(), st.integers(), TEXT))
)
@settings(max_examples=300, deadline=1000)
def test_B15_a_query_that_is_built_reads_back_as_it_was(arguments: dict[str, str | int | None]) -> None:
    query = encode_query(arguments)
    read = {name: value for _, name, value in parse_address(Filled(f"/NS/C/i?{query}")).arguments}
    assert read == {name: str(value) for name, value in arguments.items() if value is not None}
    assert query == encode_query(dict(reversed(arguments.items())))


@given(st.one_of(TEXT, PATHS, st.lists(st.sampled_from(TOKENS)).map("".join)))
@settings(max_examples=400, deadline=1000)
def test_any_text_is_taken_apart_for_substitution_or_a_clear_error(text: str) -> None:
    try:
        pieces = split(text)
    except AutomateError as mistake:
        _is_clear(mistake)
        return
    if "${" not in text:
        assert "".join(p for p in pieces if isinstance(p, str)) == text


@given(TEXT)
@settings(max_examples=200, deadline=1000)
def test_G06_an_event_type_is_one_name_whatever_it_holds(event_type: str) -> None:
    known = {"known": {"go": "m"}, "known.too": {"go": "m"}, ".missing": {}}
    held = klass("NS", "Source", [("go", "method")], known, ["m"])
    entry = klass("NS", "Entry", [("rel", "relationship")], {"e": {"rel": "/NS/Source/${/#event_type}"}})
    domains, _ = load_domains(files_of(domain("D", held, entry)), "automate")
    workspace = resolve(Datastore(domains), {"event_type": event_type}, "/NS/Entry/e")
    assert len(workspace.calls) == (event_type.lower() in ("known", "known.too"))
