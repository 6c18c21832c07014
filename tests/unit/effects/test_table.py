"""The table of actions and its extension by installed packages."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import EntryPoint, EntryPoints

import pytest
from pydantic import BaseModel

from tasks.effects import table
from tasks.effects.contracts import Done, EffectContext
from tasks.model.errors import Permanent
from tasks.site.settings import Settings


class PageParams(BaseModel):
    text: str


class Page:
    name = "page"
    params = PageParams
    limit_seconds = 1.0

    def run(self, params: PageParams, context: EffectContext) -> Done:
        return Done(params.text, {})


class Broken:
    def __init__(self) -> None:
        raise RuntimeError("no such library")


class Half:
    name = "half"


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    table.actions.cache_clear()
    yield
    table.actions.cache_clear()


def extend(monkeypatch: pytest.MonkeyPatch, word: str, thing: type) -> None:
    class Point(EntryPoint):
        def load(self) -> type:
            return thing

    points = EntryPoints([Point(word, "somewhere:Thing", table.GROUP)])
    monkeypatch.setattr(table, "entry_points", lambda group: points.select(group=group))


def test_the_built_in_actions_are_there_under_their_own_words() -> None:
    actions = table.actions()
    assert set(actions) >= {"log", "webhook", "mail", "script"}
    for word, action in actions.items():
        assert action.name == word
        assert action.limit_seconds > 0
        assert issubclass(action.params, BaseModel)


def test_every_parameter_says_what_it_means() -> None:
    for action in table.actions().values():
        for name, field in action.params.model_fields.items():
            assert field.description, f"{action.name}.{name}"


def test_a_package_adds_an_action(monkeypatch: pytest.MonkeyPatch) -> None:
    extend(monkeypatch, "page", Page)
    context = EffectContext("k", 1, {}, None, Settings.model_construct(), ".")
    assert table.actions()["page"].run(PageParams(text="hello"), context) == Done("hello", {})


@pytest.mark.parametrize(
    ("word", "thing", "what"),
    [("log", Page, "exists"), ("page", Broken, "no such library"), ("half", Half, "lacks params")],
)
def test_a_package_that_does_not_fit_is_named(
    monkeypatch: pytest.MonkeyPatch, word: str, thing: type, what: str
) -> None:
    extend(monkeypatch, word, thing)
    with pytest.raises(Permanent, match=what):
        table.actions()


def test_the_table_cannot_be_written() -> None:
    with pytest.raises(TypeError):
        table.actions()["x"] = table.actions()["log"]  # type: ignore[index]  # that it fails is the point
