"""The pages of rule events, and their deployment over the API."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI

from tasks.conveyor.telling import set_facts
from tasks.ledger import rules as ledger
from tasks.ledger.facts import FactRef, Write
from tasks.ledger.tally import Count
from tasks.rules import evaluate
from tasks.rules.definition import RuleSet
from tasks.site.settings import Settings
from tests.rule_ground import VMHOST, event_text, rule
from tests.unit.web.web_ground import EVIL, KEY, Ground, form_token, standing
from workers.web.app import create_app
from workers.web.pace import Pace

NOTE = '<trigger><gt fact="vmhost.vm.count" value="0" reason="&lt;script&gt;alert(1)&lt;/script&gt;"/></trigger>'


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    with standing(tmp_path) as found:
        known = RuleSet([rule(VMHOST, description="Too much &lt;b&gt;load"), rule(NOTE, stem="noted")])
        app: FastAPI = create_app(
            found.ledger,
            Settings(var=tmp_path),
            tmp_path,
            key=KEY,
            now=lambda: found.now,
            pace=Pace(pause_seconds=0.0, clock=lambda: found.now.timestamp()),
            rules=lambda: known,
        )
        found.app = app
        with found.ledger.transaction() as session:
            count, host = Count(), FactRef("vmhost", "lab/h")
            facts = {"vm.count": 2, "resource": "r", "note": EVIL}
            writes = [Write(host, f"vmhost.{name}", value) for name, value in facts.items()]
            writes.append(Write(FactRef("resource", "r"), "resource.loadaverage", 9))
            set_facts(session, Settings(), found.now, count, "operator", writes)
            count.write(session)
        evaluate.sweep(found.ledger, Settings(), known, found.now)
        yield found


def test_the_list_shows_how_rules_stand(ground: Ground) -> None:
    text = ground.browser("viewer").get("/rules").text
    assert "Too much &lt;b&gt;load" in text
    assert 'href="/rules/vmhost"' in text
    assert text.count('<span class="word good">fired</span>') == 2
    assert "Disable" not in text
    assert "Disable" in ground.browser("operator").get("/rules").text


def test_one_rule_shows_its_objects_and_why(ground: Ground) -> None:
    text = ground.browser("viewer").get("/rules/vmhost?object=lab/h").text
    assert "vmhost.resource.loadaverage" in text
    assert "trigger/2 gt" in text
    assert "its load" not in text
    ground.browser("viewer").get("/rules/vmhost?object=other")
    assert "there is no vmhost" in ground.browser("viewer").get("/rules/vmhost?object=other").text
    assert ground.browser("viewer").get("/rules/nothing").status_code == 404


def test_orchestrate_103_a_reason_is_text_on_a_page(ground: Ground) -> None:
    with ground.ledger.transaction() as session:
        count = Count()
        sick = [Write(FactRef("vmhost", "lab/h"), "vmhost.vm.count", 0)]
        set_facts(session, Settings(), ground.now, count, "operator", sick)
        count.write(session)
    text = ground.browser("viewer").get("/rules/noted?object=lab/h").text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "<script" not in text


def test_buttons_switch_and_reset_and_are_kept_with_who_did_it(ground: Ground) -> None:
    browser = ground.browser("operator")
    token = form_token(browser, "/rules")
    for move in ("disable", "enable", "reset"):
        answer = browser.post(f"/rules/vmhost/{move}", data={"form_token": token, "key": "lab/h"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/rules/vmhost")
    with ground.ledger.reading() as session:
        kept = [(note.what, note.by, note.detail) for note in ledger.notes(session)]
        assert [row.event for row in ledger.states(session)] == ["noted"]
    assert kept == [("reset", "operator", "lab/h"), ("enabled", "operator", None), ("disabled", "operator", None)]
    assert browser.post("/rules/nothing/reset", data={"form_token": token}).status_code == 404


def test_a_rule_is_tried_on_facts_and_nothing_is_kept(ground: Ground) -> None:
    browser = ground.browser("operator")
    page = browser.get("/rules/test?rule=vmhost")
    assert "vmhost.resource.loadaverage" in page.text
    token = form_token(browser, "/rules/test")
    facts = "objects: {vmhost/a: {vmhost.vm.count: 1, vmhost.resource.loadaverage: 5}}"
    answer = browser.post(
        "/rules/test", data={"form_token": token, "source": event_text(VMHOST).decode(), "facts": facts}
    )
    assert "vmhost/a" in answer.text
    assert "What would fire" in answer.text
    broken = browser.post("/rules/test", data={"form_token": token, "source": "<event/>", "facts": facts})
    assert "E203" in broken.text
    wrong = browser.post(
        "/rules/test", data={"form_token": token, "source": event_text(VMHOST).decode(), "facts": "objects: 5"}
    )
    assert "the timeline" in wrong.text
    assert ground.browser("viewer").get("/rules/test").status_code == 403


def test_a_token_of_one_project_sees_no_rules(ground: Ground) -> None:
    assert ground.browser("red").get("/rules").status_code == 403
    assert ground.client("red").get("/api/v1/rules").status_code == 403


def test_the_api_lists_rules(ground: Ground) -> None:
    items = ground.client("viewer").get("/api/v1/rules").json()["items"]
    assert [(one["name"], one["fired"]) for one in items] == [("noted", 1), ("vmhost", 1)]


def test_orchestrate_104_a_rule_is_deployed_by_admins_alone_and_refusals_are_kept(
    ground: Ground, tmp_path: Path
) -> None:
    good, file = event_text(VMHOST), tmp_path / "rules" / "fresh.event"
    assert ground.client("viewer").put("/api/v1/rules/fresh", content=good).status_code == 403
    refused = ground.client("operator").put("/api/v1/rules/fresh", content=good)
    assert refused.status_code == 403
    assert not file.exists()
    broken = ground.client("boss").put("/api/v1/rules/fresh", content=b"<!DOCTYPE x><event/>")
    assert (broken.status_code, broken.json()["complaints"][0]["code"]) == (422, "E101")
    named = ground.client("boss").put("/api/v1/rules/SERVER_UP", content=good)
    assert (named.status_code, named.json()["complaints"][0]["code"]) == (422, "E309")
    assert ground.client("boss").put("/api/v1/rules/fresh", content=good).status_code == 202
    assert file.read_bytes() == good
    with ground.ledger.reading() as session:
        kept = [(note.event, note.what, note.by) for note in ledger.notes(session)]
    assert kept == [("fresh", "deployed", "boss"), ("fresh", "deploy refused", "operator")]
