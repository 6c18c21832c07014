"""The examples of docs/policies.md and docs/alerts.md are what the readers read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tasks.alert.read import read as read_alerts
from tasks.effects.table import actions
from tasks.expressions.operators import ALIASES, OPERATORS
from tasks.expressions.paths import EVENT_COLUMNS
from tasks.expressions.reader import compile_expression
from tasks.policy.read import read as read_policies
from tasks.site.contracts import SiteContext
from tasks.site.events import definitions_of
from tasks.site.settings import Settings

DOCS = Path(__file__).resolve().parents[3] / "docs"
CONTEXT = SiteContext(Settings(), {}, actions())


def blocks(name: str) -> list[str]:
    return re.findall(r"```yaml\n(.*?)```", (DOCS / name).read_text("utf-8"), re.DOTALL)


def test_policies_of_the_docs_are_read_without_a_problem() -> None:
    written = blocks("policies.md")
    files = {"policies/x.yaml": written[0].encode(), "profiles/x.yaml": written[1].encode()}
    policies, problems = read_policies(files, CONTEXT)
    assert (list(policies.policies), problems) == (["forgotten-servers"], [])
    own, problems = definitions_of({"events/x.yaml": blocks("policies.md")[2].encode()})
    assert ("rack_hot" in own, problems) == (True, [])
    for index, periods in ((3, []), (4, ["server"])):
        checks, problems = read_policies({"policies/x.yaml": written[index].encode()}, CONTEXT)
        assert ([p.mode for p in checks.policies.values()], problems) == (["compliance"], [])
        assert list(checks.periods()) == periods


@pytest.mark.parametrize(
    ("block", "names"), [(0, ["server-down", "failed-operations"]), (1, ["off-and-forgotten"]), (2, ["busy-server"])]
)
def test_alerts_of_the_docs_are_read_without_a_problem(block: int, names: list[str]) -> None:
    alerts, problems = read_alerts({"alerts/x.yaml": blocks("alerts.md")[block].encode()}, CONTEXT)
    assert (list(alerts.alerts), problems) == (names, [])


def test_alert_on_health_of_the_docs_is_read_without_a_problem() -> None:
    [written] = blocks("operations.md")
    alerts, problems = read_alerts({"alerts/x.yaml": written.encode()}, CONTEXT)
    assert (list(alerts.alerts), problems) == (["cloud-away"], [])


def test_conditions_of_the_docs_are_read_without_a_mistake() -> None:
    *_policies, one_a_line, groups, stored = blocks("policies.md")
    trees: list[Any] = [yaml.safe_load(line) for line in one_a_line.splitlines()]
    trees.append(yaml.safe_load(groups.replace("{...}", "{field: server.a, is: 1}")))
    trees.append(yaml.safe_load(stored))
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
