"""The options of the generic provider: what can be said, and what is told of a mistake."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from tasks.providers.http.options import HttpOptions
from tasks.providers.table import kinds
from tasks.site.clouds import Clouds
from tasks.site.mistakes import model_at
from tasks.site.providers import providers_of

GOOD = """\
providers:
  - name: rooms
    type: http
    url: https://events.example.org/v1/events
    auth: {by: bearer, token: "${file:token}"}
    cursor: {by: time, parameter: since}
    paging: {by: page, parameter: page}
    mapping: {message_id: id, event_type: type, timestamp: at}
"""


def read(text: str, root: Path) -> tuple[Any, list[Any]]:
    (root / "token").write_text("kept-secret\n")
    found, problems = providers_of(text.encode(), root, kinds(), Clouds())
    return found.get("rooms"), problems


def test_a_provider_is_read_with_its_secret(tmp_path: Path) -> None:
    found, problems = read(GOOD, tmp_path)
    assert problems == []
    assert found.options.auth.token.get_secret_value() == "kept-secret"
    assert "kept-secret" not in repr(found)
    assert (found.options.monitor, found.options.source) == ("http", "HTTP")


@pytest.mark.parametrize(
    ("old", "new", "line", "what"),
    [
        ("mapping: {message_id: id", "mapping: {message_id: 'id['", 8, "mapping.message_id: this is no JMESPath"),
        ("mapping: {message_id: id", "mapping: {messageid: id", 8, "unknown key 'messageid'"),
        ("event_type: type", "event_type: no_such()", 8, "there is no function no_such()"),
        ("timestamp: at}", "timestamp: at, format: unix}", 8, "mapping.format"),
        ("timestamp: at}", "timestamp: at, resource_id: x}", 8, "name both, or neither"),
        ("https://events.example.org/v1/events", "events.example.org", 4, "url: write it as https://host"),
        ("https://events.example.org/v1/events", "ftp://h/x", 4, "url: write it as https://host"),
        ("https://events.example.org/v1/events", "https://u:p@h/x", 4, "leave user and password out"),
        ("{by: bearer, token:", "{by: basic, token:", 5, "by: basic needs user and password"),
        ("{by: bearer, token:", "{by: none, token:", 5, "by: none does not use token"),
        ("{by: bearer, token:", "{by: bearer, header: X, token:", 5, "by: bearer does not use header"),
        ('auth: {by: bearer, token: "${file:token}"}', "auth: {by: keystone}", 2, "auth by keystone needs cloud"),
        ("{by: time, parameter: since}", "{by: time}", 6, "by: time needs parameter"),
        ("{by: time, parameter: since}", "{by: tiem, parameter: since}", 6, "cursor.by"),
        ("{by: page, parameter: page}", "{by: page}", 7, "by: page needs parameter"),
        ("{by: page, parameter: page}", "{by: next, parameter: page}", 7, "by: next does not use parameter"),
        ("{by: page, parameter: page}", "{by: page, parameter: since}", 2, "'since' is given two meanings"),
        ("{by: page, parameter: page}", "{by: page, parameter: p, size_parameter: n}", 7, "size_parameter needs size"),
        ("type: http", "type: http\n    tls: {key_file: /k}", 4, "a key without its certificate"),
        ("type: http", 'type: http\n    headers: {A: "x\\ny"}', 2, "no header can carry"),
    ],
)
def test_a_mistake_has_its_line_and_says_what_is_wrong(
    old: str, new: str, line: int, what: str, tmp_path: Path
) -> None:
    assert old in GOOD
    found, problems = read(GOOD.replace(old, new), tmp_path)
    assert found is None
    assert [what in problem.what for problem in problems] == [True], [str(problem) for problem in problems]
    assert problems[0].line == line
    assert problems[0].mend


def sections(model: type[BaseModel], path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], type[BaseModel]]]:
    found = [(path, model)]
    for name in model.model_fields:
        inner = model_at(model, [name])
        if inner is not None:
            found += sections(inner, (*path, name))
    return found


def test_every_option_says_what_it_means() -> None:
    for path, model in sections(HttpOptions):
        for name, info in model.model_fields.items():
            assert info.description, ".".join((*path, name))
            assert info.description.endswith((".", '".')), ".".join((*path, name))


def test_the_options_have_a_schema_without_secrets() -> None:
    schema = HttpOptions.model_json_schema()
    assert {"Auth", "Cursor", "Mapping", "Paging", "Tls"} <= set(schema["$defs"])
