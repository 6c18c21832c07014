"""The examples of docs/policies.md and docs/alerts.md are what the readers read."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from tasks.alert.read import read as read_alerts
from tasks.effects.contracts import EffectContext
from tasks.effects.snmp import ENGINE_ID, NAMES
from tasks.effects.table import actions
from tasks.effects.templates import read as read_templates
from tasks.expressions.operators import ALIASES, OPERATORS
from tasks.expressions.paths import EVENT_COLUMNS
from tasks.expressions.reader import compile_expression
from tasks.policy.read import read as read_policies
from tasks.site.contracts import SiteContext
from tasks.site.events import definitions_of
from tasks.site.profiles import read as read_profiles
from tasks.site.settings import Settings

DOCS = Path(__file__).resolve().parents[3] / "docs"
CONTEXT = SiteContext(Settings(actions={"destructive": True}), {}, actions())


def blocks(name: str) -> list[str]:
    return re.findall(r"```yaml\n(.*?)```", (DOCS / name).read_text("utf-8"), re.DOTALL)


def files_of(name: str) -> dict[str, str]:
    """The examples that are files of a site, each under a path of its own; they begin with their one key."""
    found = enumerate(block for block in blocks(name))
    keys = ((n, block, re.match(r"(?:#.*\n)*(policies|profiles|events|alerts):\n", block)) for n, block in found)
    return {f"{key[1]}/{n}.yaml": block for n, block, key in keys if key is not None}


@pytest.mark.parametrize(("name", "number"), [("policies.md", 4), ("alerts.md", 4), ("operations.md", 1)])
def test_files_of_the_docs_are_read_without_a_problem(name: str, number: int) -> None:
    written = {path: block.encode() for path, block in files_of(name).items()}
    own, problems = definitions_of({path: text for path, text in written.items() if path.startswith("events/")})
    assert problems == []
    context = replace(CONTEXT, definitions=own)
    policies = {path: text for path, text in written.items() if path.startswith("policies/")}
    assert [found for path in policies for found in read_policies({path: policies[path]}, context)[1]] == []
    rules = {path: text for path, text in written.items() if path.startswith("profiles/")}
    profiles, wrong = read_profiles(rules, context)
    assert (wrong, profiles.unknown("policies", ["forgotten-servers"])) == ([], [])
    alerts = {path: text for path, text in written.items() if path.startswith("alerts/")}
    assert [found for path in alerts for found in read_alerts({path: alerts[path]}, context)[1]] == []
    assert len(written) >= number


def test_mail_template_of_the_docs_is_filled() -> None:
    [text] = re.findall(r"```\n(Subject: .*?)```", (DOCS / "alerts.md").read_text("utf-8"), re.DOTALL)
    files = {"templates/server-down.txt": text.encode(), "templates/_footer.txt": b"-- {{ key }}"}
    made, problems = read_templates(files, CONTEXT)
    assert problems == []
    event = {"event_type": "vm_poweroff", "occurred_at": "2031-05-04", "actor": None}
    rule = {"kind": "alert", "name": "server-down", "severity": None, "summary": None}
    context = EffectContext("k", 1, event, {"name": "web"}, CONTEXT.settings, ".", rule=rule)
    assert made.fill("server-down", context).subject == "[info] web is down"


def test_engine_and_names_of_the_docs_are_those_of_the_action() -> None:
    text = (DOCS / "alerts.md").read_text("utf-8")
    assert f"`{ENGINE_ID}`" in text
    assert all(f"`{name}` {number}" in text.replace("\n", " ") for name, number in NAMES.items())


def test_conditions_of_the_docs_are_read_without_a_mistake() -> None:
    trees: list[Any] = []
    for block in [block for block in blocks("policies.md") if block not in files_of("policies.md").values()]:
        lines = block.splitlines() if block.startswith("{") else [block]
        trees += [yaml.safe_load(text.replace("{...}", "{field: server.a, is: 1}")) for text in lines]
    assert len(trees) > 3
    for tree in trees:
        expression, mistakes = compile_expression(tree, kind="server")
        assert expression is not None
        assert mistakes == []


@pytest.mark.parametrize("word", [*OPERATORS, *ALIASES])
def test_every_operator_stands_in_the_docs(word: str) -> None:
    text = (DOCS / "policies.md").read_text("utf-8").lower()
    plain = word.lower().removesuffix(" does not match") if word.startswith("REGULAR") else word.lower()
    assert plain in text


def test_every_event_column_stands_in_the_docs() -> None:
    [line] = re.findall(r"\| event\.\*column\* \| (.*) \|", (DOCS / "policies.md").read_text("utf-8"))
    assert sorted(line.split(", ")) == sorted(EVENT_COLUMNS)
