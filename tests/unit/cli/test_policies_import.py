"""``catchment policies import``: an export becomes files that the site reads, and a report that hides nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from tests.unit.cli.cli_ground import Site, harmless
from workers.cli.main import catchment

#: The shape of spec policy-alerts 2.11, as ManageIQ writes it.
EXPORT = """---
- MiqPolicySet:
    name: 5f0c
    description: Night rules
    set_type: MiqPolicySet
    guid: 5f0c
    set_data:
    MiqPolicy:
    - name: 91aa
      description: Tell of untagged VMs
      towhat: Vm
      mode: control
      active: true
      guid: 91aa
      expression:
      MiqPolicyContent:
      - qualifier: failure
        failure_sequence: 1
        failure_synchronous: false
        MiqEventDefinition: {name: vm_start, description: VM Power On, event_type: Default}
        MiqAction:
          name: tell
          description: Tell
          action_type: email
          options: !ruby/hash:ActiveSupport::HashWithIndifferentAccess
            :to: ops@example.org
      Condition:
      - name: 77b2
        description: has an owner tag
        towhat: Vm
        guid: 77b2
        expression: !ruby/object:MiqExpression
          exp: {CONTAINS: {tag: Vm.managed-department, value: research}}
          context_type:
- MiqAlert:
    description: Server started
    guid: a1
    db: Vm
    enabled: true
    responds_to_events: vm_start
    hash_expression:
      :eval_method: nothing
      :mode: internal
      :options: {}
"""
FILES = [
    "alerts/imported-server-started.yaml",
    "policies/imported-tell-of-untagged-vms.yaml",
    "profiles/imported-night-rules.yaml",
]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    (tmp_path / "site").mkdir()
    return Site(tmp_path / "site")


@pytest.fixture
def export(tmp_path: Path) -> Path:
    return written(tmp_path, EXPORT)


def written(folder: Path, text: str) -> Path:
    path = folder / "export.yaml"
    path.write_text(text)
    return path


def imported(site: Site) -> dict[str, bytes]:
    found = sorted(site.root.glob("*/imported-*"))
    return {path.relative_to(site.root).as_posix(): path.read_bytes() for path in found}


def test_check_40_import_writes_what_catchment_check_takes(site: Site, export: Path) -> None:
    told = site.run("policies", "import", str(export)).stdout
    assert list(imported(site)) == FILES
    assert "taken over  policy 'Tell of untagged VMs'" in told
    assert "3 files" in told
    checked = json.loads(site.run("check", "--site", str(site.root), "--json").stdout)
    assert (checked["ok"], checked["counts"]["policies"], checked["counts"]["alerts"]) == (True, 1, 1)
    assert [p for p in checked["problems"] if "imported" in p["path"]] == []


def test_check_42_second_import_of_a_guid_updates_the_same_file_when_it_is_forced(site: Site, export: Path) -> None:
    site.run("policies", "import", str(export))
    before = imported(site)
    written(export.parent, EXPORT.replace("Tell of untagged VMs", "Tell of all").replace("ops@", "all@"))
    refused = site.run("policies", "import", str(export), code=2).stderr
    assert "policies/imported-tell-of-untagged-vms.yaml" in refused
    assert "--force" in refused
    assert imported(site) == before
    site.run("policies", "import", str(export), "--force")
    after = imported(site)
    assert list(after) == FILES
    [entry] = yaml.safe_load(after[FILES[1]])["policies"]
    assert (entry["name"], entry["otherwise"][0]["mail"]["to"]) == ("Tell of all", ["all@example.org"])
    assert yaml.safe_load(after[FILES[2]])["profiles"][0]["policies"] == ["Tell of all"]


def test_check_43_import_is_byte_stable(site: Site, export: Path, tmp_path: Path) -> None:
    site.run("policies", "import", str(export))
    before = imported(site)
    report = json.loads(site.run("policies", "import", str(export), "--json").stdout)
    assert (report["files"], report["written"], report["complete"]) == (
        [FILES[1], FILES[2], FILES[0]],
        [],
        True,
    )
    assert imported(site) == before
    other = tmp_path / "other"
    site.run("policies", "import", str(export), "--out", str(other))
    assert {path: (other / path).read_bytes() for path in FILES} == before


def test_files_are_printed_and_the_report_goes_to_the_error_stream(site: Site, export: Path) -> None:
    result = site.run("policies", "import", str(export), "--out", "-")
    documents = list(yaml.safe_load_all(result.stdout))
    assert [next(iter(document)) for document in documents] == ["policies", "profiles", "alerts"]
    assert "taken over" in result.stderr
    assert imported(site) == {}


def test_profiles_apply_where_the_command_says(site: Site, export: Path) -> None:
    site.run("policies", "import", str(export), "--assign", "provider=north,zone=az1", "--assign", "tag=gold")
    [entry] = yaml.safe_load(imported(site)[FILES[2]])["profiles"]
    assert entry["assign"] == [{"provider": "north", "zone": "az1"}, {"tag": "gold"}]
    assert "active" not in entry
    assert "is no place" in site.run("policies", "import", str(export), "--assign", "moon=1", code=2).stderr


def test_left_out_items_are_told_with_their_path_and_the_status_is_1(site: Site, export: Path) -> None:
    written(export.parent, EXPORT.replace("name: vm_start,", "name: vm_dreams,"))
    told = site.run("policies", "import", str(export), code=1).stdout
    assert "left out    policy 'Tell of untagged VMs' / event vm_dreams" in told
    assert list(imported(site)) == [FILES[0]]
    report = json.loads(site.run("policies", "import", str(export), "--json", code=1).stdout)
    assert report["complete"] is False
    assert ["policy 'Tell of untagged VMs'", "event vm_dreams"] in [line["path"] for line in report["report"]]


def test_events_of_the_site_are_known(site: Site, export: Path) -> None:
    (site.root / "events").mkdir()
    (site.root / "events/own.yaml").write_text("events: [{name: vm_dreams, target: server}]")
    written(export.parent, EXPORT.replace("name: vm_start,", "name: vm_dreams,"))
    site.run("policies", "import", str(export))
    assert list(imported(site)) == FILES


def test_nothing_is_written_where_a_name_is_taken_in_the_site(site: Site, export: Path) -> None:
    (site.root / "policies").mkdir()
    (site.root / "policies/zz.yaml").write_text(
        "policies: [{name: Tell of untagged VMs, target: server, on: [vm_start]}]"
    )
    refused = site.run("policies", "import", str(export), "--force", code=2).stderr
    assert "policies/zz.yaml" in refused
    assert "defined at" in refused
    assert imported(site) == {}


def test_file_that_somebody_else_wrote_is_not_overwritten(site: Site, export: Path) -> None:
    (site.root / "alerts").mkdir()
    (site.root / FILES[0]).write_text("alerts: []\n")
    assert FILES[0] in site.run("policies", "import", str(export), code=2).stderr
    assert list(imported(site)) == [FILES[0]]
    site.run("policies", "import", str(export), "--force")
    assert b"Server started" in imported(site)[FILES[0]]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- MiqPolicy: !ruby/object:Gem::Installer\n    i: x", "export.yaml:1: the tag '!ruby/object:Gem::Installer'"),
        ("- MiqPolicy:\n    a: !ruby/object:OpenStruct {}", "export.yaml:2: the tag"),
        ("a: &a [x,x]\nb: &b [*a,*a]\n" + "".join(f"c{n}: &c{n} [{'*b,' * 90}]\n" for n in range(12)), "aliases"),
        ("- MiqPolicy: " + "[" * 10_000, "levels deep"),
        ("x" * 10_000_000, "bytes"),
        ("- Gem: {}", "does not begin with one of MiqPolicySet"),
        ("MiqPolicy: {}", "no list of ManageIQ's items"),
        ("- MiqPolicy: {\n", "export.yaml:2"),
        ("", "no list"),
    ],
)
def test_hostile_and_broken_files_are_refused_as_a_whole(site: Site, export: Path, text: str, said: str) -> None:
    written(export.parent, text)
    refused = site.run("policies", "import", str(export), code=2).stderr
    assert said in refused
    assert "Traceback" not in refused
    assert len(refused) < 2000
    assert imported(site) == {}


def test_names_of_an_export_have_no_power_over_the_terminal(site: Site, export: Path) -> None:
    evil = json.dumps("\x1b[31m[bold]x\x07\u202e")
    written(export.parent, EXPORT.replace("Night rules", evil).replace("has an owner tag", evil))
    assert harmless(site.run("policies", "import", str(export)).stdout)


@pytest.mark.parametrize(
    "item",
    [
        {"Condition": {"description": "c"}},
        {"MiqAction": {"name": "a"}},
        {"MiqPolicy": None},
        {"Other": {}},
        "text",
        {"MiqPolicy": {}, "MiqAlert": {}},
    ],
)
def test_items_without_a_place_are_left_out_and_the_others_taken(site: Site, export: Path, item: Any) -> None:
    written(export.parent, EXPORT + yaml.safe_dump([item]))
    assert "left out" in site.run("policies", "import", str(export), code=1).stdout
    assert list(imported(site)) == FILES


@pytest.mark.parametrize("value", [None, 1, "x", [], [1], {}, {"a": 1}, [[{}]]])
@pytest.mark.parametrize(
    "key",
    ["name", "description", "guid", "towhat", "mode", "active", "expression", "MiqPolicyContent", "Condition", "notes"],
)
def test_any_value_under_any_key_is_told_and_never_a_traceback(site: Site, export: Path, key: str, value: Any) -> None:
    item = {"description": "d", "guid": "g", "MiqPolicyContent": [{"MiqEventDefinition": {"name": "vm_start"}}]}
    written(export.parent, yaml.safe_dump([{"MiqPolicy": {**item, key: value}}]))
    report = json.loads(_either(site, export).stdout)
    assert report["report"]


@pytest.mark.parametrize(
    "value", [None, 1, "x", [1], {}, {"a": 1}, [[{}]], {"notifications": {"email": 1, "snmp": [1], "automate": "x"}}]
)
@pytest.mark.parametrize(
    "key",
    ["description", "db", "responds_to_events", "enabled", "severity", "options", "hash_expression", "miq_expression"],
)
def test_any_value_under_any_key_of_an_alert_is_told(site: Site, export: Path, key: str, value: Any) -> None:
    item = {"description": "d", "db": "Vm", "enabled": True, "responds_to_events": "vm_start"}
    kind = {"hash_expression": {"eval_method": "nothing"}}
    written(export.parent, yaml.safe_dump([{"MiqAlert": {**item, **kind, key: value}}]))
    assert json.loads(_either(site, export).stdout)["report"]


def _either(site: Site, export: Path) -> Any:
    arguments = ["--site", str(site.root), "policies", "import", str(export), "--out", "-", "--json"]
    result = CliRunner().invoke(catchment, arguments)
    assert result.exit_code in (0, 1), (result.stderr, result.exception)
    return result
