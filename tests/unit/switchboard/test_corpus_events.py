"""A real domain's OpenStack and policy events lead to the calls that the corpus lists."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from tasks.switchboard.datastore import Datastore
from tasks.switchboard.engine import resolve
from tasks.switchboard.load import load_domains

CORPUS = Path(__file__).resolve().parents[3] / "../shared/corpus"

pytestmark = [
    pytest.mark.corpus,
    pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus beside the repository is absent"),
]


@lru_cache(maxsize=1)
def _datastore() -> Datastore:
    base = CORPUS / "automate/domain"
    files = {f"automate/{p.relative_to(base)}": p.read_bytes() for p in base.rglob("*.yaml")}
    domains, problems = load_domains(files, "automate")
    assert [str(p) for p in problems if p.severity == "error"] == []
    return Datastore(domains)


def _expected() -> dict[str, list[dict[str, Any]]]:
    if not CORPUS.is_dir():
        return {}
    expected: dict[str, list[dict[str, Any]]] = json.loads((CORPUS / "automate/expected_openstack.json").read_text())
    return expected


@pytest.mark.parametrize("key", sorted(_expected()))
def test_G01_every_known_event_leads_to_the_listed_calls(key: str) -> None:
    namespace, source, event_type = key.split("/", 2)
    given = {
        # The provider reports its own spelling of the class's name (G02).
        "event_stream": {"event_namespace": namespace, "source": source.upper()},
        "event_type": event_type,
    }
    workspace = resolve(_datastore(), given)
    assert [{"method": c.method, "inputs": c.inputs} for c in workspace.calls] == _expected()[key]
    assert workspace.error is None


def test_a_real_domain_loads_with_warnings_only() -> None:
    classes = _datastore().domains[0].classes
    openstack = classes[("system", "event", "emsevent"), "openstack"]
    assert len(openstack.instances) == 90
    assert len(openstack.fields) == 21


def test_the_shipped_table_of_openstack_events_is_carried_over_field_by_field() -> None:
    from tasks.switchboard.read import shipped_domain

    table = json.loads((CORPUS / "tables/openstack_event_actions.json").read_text())["events"]
    shipped = shipped_domain().classes[("system", "event", "emsevent"), "openstack"]
    for name, entry in table.items():
        if name == ".missing":
            continue
        instance = shipped.instances[name.lower()]
        steps = [(f.name, v.value) for f, v in shipped.steps(instance)]
        assert steps == [(a["field"], a["value"]) for a in entry["actions"]], name
    assert len(table) == 90
