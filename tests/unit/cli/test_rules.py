"""``catchment rules`` and ``catchment facts`` as an operator runs them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import select

from tasks.ledger.events import Event
from tasks.ledger.facts import FactChange
from tasks.model import clock
from tasks.rules import evaluate
from tasks.rules.definition import RuleSet
from tasks.rules.event_file import read_event
from tasks.site.settings import Settings
from tests.rule_ground import VMHOST, event_text
from tests.unit.cli.cli_ground import EVIL, Site
from workers.processes import SOURCE

EXAMPLES = SOURCE / "examples" / "rules"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = Site(tmp_path).made()
    (tmp_path / "providers.yaml").write_text("providers: []\n")
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "vmhost.event").write_bytes(event_text(VMHOST.replace("/>", ' reason="no machines"/>', 1)))
    return made


def look(site: Site) -> None:
    rule, _ = read_event((site.root / "rules" / "vmhost.event").read_bytes(), "vmhost")
    assert rule is not None
    settings = Settings(rules={"debounce_seconds": 0})
    evaluate.sweep(site.ledger, settings, RuleSet([rule]), clock.now())


def loaded(site: Site, load: str) -> None:
    site.run("facts", "set", "vmhost/lab/h", "vmhost.vm.count", "3", "--force")
    site.run("facts", "set", "vmhost/lab/h", "vmhost.resource", "r", "--force")
    site.run("facts", "set", "resource/r", "resource.loadaverage", load, "--force")


def test_the_examples_are_valid_and_do_what_their_timelines_say(site: Site) -> None:
    done = site.run("rules", "check", *map(str, sorted(EXAMPLES.glob("*.event"))))
    assert done.stdout == "2 of 2 rule events can be used\n"
    assert done.stderr == ""
    for timeline in sorted(EXAMPLES.glob("*.timeline.yaml")):
        told = json.loads(site.run("rules", "test", str(timeline), "--json").stdout)
        assert told["wrong"] == []
        assert len(told["happened"]) == 2


def test_a_timeline_that_is_not_met_says_what_came_instead(site: Site, tmp_path: Path) -> None:
    file = tmp_path / "t.yaml"
    file.write_text(
        "rule: vmhost\nobjects: {vmhost/h: {vmhost.vm.count: 1, vmhost.resource.loadaverage: 9}}\nuntil: 60\n"
        "expect: [{at: 30, fires: []}]\n"
    )
    done = site.run("rules", "test", str(file), code=1)
    assert "at 0 s vmhost fired and was not expected" in done.stderr
    assert "at 30 s vmhost was expected and did not fire" in done.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rule: [", "no YAML"),
        ("rule: vmhost\nobjects: {planet/x: {a.b: 1}}", "no object"),
        ("rule: vmhost\nobjects: {vmhost/x: {vmhost.vm.count: many}}", "vmhost.vm.count"),
        ("rule: vmhost\nuntil: 366d\n", "more than"),
        ("rule: vmhost\nfoo: 1\n", "foo"),
        ("objects: {}\n", "names no rule"),
        ("rule: nothing\n", "no rule event"),
        ("rule: missing.event\n", "no file"),
    ],
)
def test_a_timeline_that_cannot_be_read_says_why(site: Site, tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "t.yaml").write_text(text)
    assert said in site.run("rules", "test", str(tmp_path / "t.yaml"), code=2).stderr


def test_a_broken_rule_is_told_with_file_line_column_and_code(site: Site, tmp_path: Path) -> None:
    bad = tmp_path / "bad.event"
    bad.write_bytes(event_text("<trigger/>"))
    done = site.run("rules", "check", str(bad), code=3)
    assert done.stderr == f"{bad}:2:29 E205 <trigger> is empty. Put a constraint into it\n"
    (site.root / "rules" / "bad.event").write_bytes(bad.read_bytes())
    assert "E205" in site.run("rules", "list", code=2).stderr
    assert "0 of 1" not in site.run("rules", "check", code=3).stdout


def test_the_schema_is_printed(site: Site) -> None:
    assert "<xs:schema" in site.run("rules", "schema").stdout
    assert "factPath" in site.run("rules", "schema", "constraint_1_0_0.xsd").stdout
    site.run("rules", "schema", "../../etc/passwd", code=2)


def test_facts_are_shown_with_age_and_origin_and_set_by_operators(site: Site) -> None:
    loaded(site, "9.5")
    found = json.loads(site.run("facts", "resource/r", "--json").stdout)
    facts = {one["name"]: one for one in found["facts"]}
    assert (facts["resource.loadaverage"]["value"], facts["resource.loadaverage"]["origin"]) == (9.5, "operator")
    assert "resource.loadaverage" in site.run("facts", "show", "resource/r").stdout
    listed = json.loads(site.run("facts", "--json").stdout)
    assert [one["object"] for one in listed] == ["resource/r", "vmhost/lab/h"]
    site.run("facts", "set", "vmhost/lab/h", "vmhost.groups", "blue,red")
    assert "blue" in site.run("facts", "vmhost/lab/h").stdout
    site.run("facts", "unset", "vmhost/lab/h", "vmhost.groups")
    assert "blue" not in site.run("facts", "vmhost/lab/h").stdout
    with site.ledger.reading() as session:
        assert "vmhost.groups" in session.scalars(select(FactChange.name)).all()
    assert "vmhost.vm.count" in site.run("facts", "catalogue").stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("vmhost/h", "vmhost.vm.count", "3"), "fed by Catchment"),
        (("vmhost/h", "vmhost.vm.count", "many", "--force"), "a number is wanted"),
        (("vmhost/h", "resource.loadaverage", "3"), "begins with vmhost."),
        (("planet/h", "planet.size", "3"), "no object"),
    ],
)
def test_a_fact_that_cannot_be_set_says_why(site: Site, arguments: tuple[str, ...], said: str) -> None:
    assert said in site.run("facts", "set", *arguments, code=2).stderr


def test_an_object_without_facts_is_none(site: Site) -> None:
    assert "there is no vmhost/x" in site.run("facts", "vmhost/x", code=2).stderr


def test_explain_shows_each_constraint_and_the_reason_of_what_is_false(site: Site) -> None:
    loaded(site, "1")
    site.run("facts", "set", "vmhost/lab/h", "vmhost.vm.count", "0", "--force")
    told = site.run("rules", "explain", "vmhost", "vmhost/lab/h").stdout
    assert "vmhost on vmhost/lab/h: armed" in told
    assert "trigger/1 gt vmhost.vm.count = 0" in told
    assert "no machines" in told
    plain = json.loads(site.run("rules", "explain", "vmhost", "lab/h", "--json", "--disable", "trigger/1").stdout)
    assert [step["outcome"] for step in plain["trigger"]] == ["false", "true", "false"]
    assert "there is no vmhost" in site.run("rules", "explain", "vmhost", "lab/other", code=2).stderr
    with site.ledger.reading() as session:
        assert session.scalars(select(Event.id)).all() == []


def test_rules_are_listed_switched_and_reset_and_all_of_it_is_kept(site: Site) -> None:
    loaded(site, "9")
    look(site)
    [line] = json.loads(site.run("rules", "list", "--json").stdout)
    assert (line["name"], line["fired"], line["times"], line["enabled"]) == ("vmhost", 1, 1, True)
    assert "lab/h" in site.run("rules", "state", "vmhost").stdout
    assert "armed again on 1 object" in site.run("rules", "reset", "vmhost", "--object", "lab/h").stdout
    site.run("rules", "disable", "vmhost")
    [line] = json.loads(site.run("rules", "list", "--json").stdout)
    assert (line["fired"], line["enabled"]) == (0, False)
    site.run("rules", "enable", "vmhost")
    kept = json.loads(site.run("rules", "history", "vmhost", "--json").stdout)
    assert [one["what"] for one in kept] == ["enabled", "disabled", "reset"]
    assert "there is no rule event" in site.run("rules", "disable", "nothing", code=2).stderr
    assert "SERVER_UP" in site.run("rules", "list", "--all").stdout


def test_deploy_takes_all_files_or_none(site: Site, tmp_path: Path) -> None:
    source = tmp_path / "new"
    source.mkdir()
    (source / "good.event").write_bytes(event_text(VMHOST))
    (source / "bad.event").write_bytes(b"<!DOCTYPE event><event/>")
    done = site.run("rules", "deploy", str(source / "good.event"), str(source / "bad.event"), code=3)
    assert "bad.event:1:16 E101" in done.stderr
    assert not (site.root / "rules" / "good.event").exists()
    site.run("rules", "deploy", "--dry-run", str(source / "good.event"))
    assert not (site.root / "rules" / "good.event").exists()
    site.run("rules", "deploy", str(source / "good.event"))
    assert (site.root / "rules" / "good.event").read_bytes() == event_text(VMHOST)
    [kept] = json.loads(site.run("rules", "history", "good", "--json").stdout)
    assert kept["what"] == "deployed"
    assert [one["name"] for one in json.loads(site.run("rules", "list", "--json").stdout)] == ["good", "vmhost"]


def test_what_stands_in_facts_cannot_move_the_cursor(site: Site) -> None:
    site.run("facts", "set", "vmhost/lab/h", "vmhost.note", EVIL, "--type", "string")
    assert "\x1b" not in site.run("facts", "vmhost/lab/h").stdout
