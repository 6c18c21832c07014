"""Jobs over the API and on pages: what is seen, who may do what, and external events."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tasks.jobs.tick import tick
from tasks.ledger.jobs import JobLog
from tasks.rules.definition import RuleSet
from tasks.rules.event_file import read_event
from tests.job_ground import CONTEXT, archive, job_site, schedule, trigger
from tests.unit.web.web_ground import EVIL, Ground, form_token
from workers.web import job_moves

POLICY = CONTEXT + '<fact name="jobargs.n" type="Integer" value="1"/>'
RULE = b'<event><context><vmhost/></context><trigger><gt fact="vmhost.vm.count" value="1"/></trigger></event>'
FILES = {
    "quiet.job": archive("quiet", policy=POLICY),
    "s.sched": schedule("s", "quiet", "nightly", "backup"),
    "n.trig": trigger("nightly", '<cron expr="0 0 2 * * ?"/>'),
    "b.trig": trigger("backup", '<event name="backup_done" external="true"/>'),
}


@pytest.fixture
def ground(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ground]:
    made = Ground(tmp_path)
    monkeypatch.setattr("tasks.model.clock.now", lambda: made.now)
    monkeypatch.setattr(job_moves, "RATE", job_moves.Rate(lambda: made.now.timestamp()))
    tick(made.ledger, job_site(FILES), made.now)
    yield made
    made.close()


def started(ground: Ground, **wish: Any) -> int:
    answer = ground.client("operator").post("/api/v1/jobs/quiet/run", json=wish)
    assert answer.status_code == 202, answer.text
    number: int = answer.json()["run"]
    return number


def test_what_is_deployed_is_listed(ground: Ground) -> None:
    client = ground.client("viewer")
    assert [job["name"] for job in client.get("/api/v1/jobs").json()["items"]] == ["cpuInfo", "osInfo", "quiet"]
    [line] = [s for s in client.get("/api/v1/jobs/schedules").json()["items"] if s["name"] == "s"]
    assert (line["active"], line["triggers"], line["job"]) == (True, ["nightly", "backup"], "quiet")
    assert line["next_at"].endswith("T02:00:00.000000Z")


def test_a_job_is_run_looked_at_and_cancelled(ground: Ground) -> None:
    number = started(ground, arguments={"n": 3}, host="web7", priority="high")
    client = ground.client("viewer")
    [line] = client.get("/api/v1/jobs/runs").json()["items"]
    assert (line["id"], line["state"], line["agent"], line["priority"]) == (number, "submitted", "web7", "high")
    tale = client.get(f"/api/v1/jobs/runs/{number}").json()
    assert (tale["arguments"], tale["history"][0]["who"]) == (
        {"n": 3, "context": {"resource": "web7"}},
        "operator operator",
    )
    with ground.ledger.transaction() as session:
        session.add(JobLog(instance_id=number, at=ground.now, level="info", text="hello"))
    assert [one["text"] for one in client.get(f"/api/v1/jobs/runs/{number}/log").json()["items"]] == ["hello"]
    operator = ground.client("operator")
    assert operator.post(f"/api/v1/jobs/runs/{number}/cancel", json={"reason": "no"}).json() == {"state": "cancelled"}
    assert operator.post(f"/api/v1/jobs/runs/{number}/cancel").status_code == 409
    assert client.get("/api/v1/jobs/runs", params={"active": True}).json()["items"] == []
    assert client.get("/api/v1/jobs/runs", params={"state": "cancelled", "job": "quiet"}).json()["items"] != []


@pytest.mark.parametrize(
    ("path", "body", "status", "told"),
    [
        ("quiet/run", {"arguments": {"n": "many"}}, 422, "argument n"),
        ("quiet/run", {"arguments": {"colour": 1}}, 422, "colour"),
        ("quiet/run", {"priority": "loud"}, 422, "priority"),
        ("nowhere/run", {}, 404, "nowhere"),
        ("schedules/nowhere/run", {}, 404, "nowhere"),
        ("schedules/nowhere/enable", {}, 404, "nowhere"),
        ("schedules/s/explode", {}, 422, "word"),
        ("runs/99/cancel", {}, 404, "no run 99"),
        ("runs/99/pause", {}, 404, "no run 99"),
    ],
)
def test_what_cannot_be_is_refused_with_words(ground: Ground, path: str, body: Any, status: int, told: str) -> None:
    answer = ground.client("operator").post(f"/api/v1/jobs/{path}", json=body)
    assert answer.status_code == status
    assert told in answer.text


def test_a_schedule_is_run_and_switched(ground: Ground) -> None:
    client = ground.client("operator")
    assert client.post("/api/v1/jobs/schedules/s/run").status_code == 202
    assert client.post("/api/v1/jobs/schedules/s/disable").json() == {"active": False}
    [line] = [s for s in client.get("/api/v1/jobs/schedules").json()["items"] if s["name"] == "s"]
    assert (line["active"], line["switched_by"], line["last_state"]) == (False, "operator", "submitted")


def test_viewers_set_nothing_in_motion_and_tokens_of_one_project_see_nothing(ground: Ground) -> None:
    number = started(ground)
    for path in ("quiet/run", f"runs/{number}/cancel", "schedules/s/run", "events/backup_done"):
        assert ground.client("viewer").post(f"/api/v1/jobs/{path}", json={}).status_code == 403
        assert ground.client("red-op").post(f"/api/v1/jobs/{path}", json={}).status_code == 403
        assert ground.client().post(f"/api/v1/jobs/{path}", json={}).status_code == 401
    for path in ("/api/v1/jobs", "/api/v1/jobs/runs", "/jobs", f"/jobs/{number}"):
        assert ground.client("red").get(path).status_code == 403


def test_orchestrate_74_external_events_are_fired_by_their_declared_names_alone(ground: Ground) -> None:
    client = ground.client("operator")
    fired = client.post("/api/v1/jobs/events/backup_done", json={"context": {"host": "h1", "sizes": [1, 2.5]}})
    assert fired.status_code == 202
    assert ground.rings
    told = client.get(f"/api/v1/events/{fired.json()['event']}").json()
    assert (told["event_type"], told["raised"]) == ("backup_done", True)
    tick(ground.ledger, job_site(FILES), ground.now)
    [run] = client.get("/api/v1/jobs/runs").json()["items"]
    assert (run["trigger"], run["event_id"]) == ("backup", fired.json()["event"])
    assert client.post("/api/v1/jobs/events/unknown", json={}).status_code == 404
    for own in ("SERVER_UP", "resource_online", "x.RESET"):
        assert client.post(f"/api/v1/jobs/events/{own}", json={}).status_code == 403
    large = client.post("/api/v1/jobs/events/backup_done", json={"context": {"a": "x" * 16_500}})
    assert large.status_code == 413
    for wrong in ({"context": {"a": {"b": 1}}}, {"context": []}, {"more": 1}, [1]):
        assert client.post("/api/v1/jobs/events/backup_done", json=wrong).status_code == 422
    assert client.post("/api/v1/jobs/events/backup_done", content=b"[[[").status_code == 422


def test_orchestrate_74_one_token_fires_sixty_events_in_a_minute(ground: Ground) -> None:
    client = ground.client("operator")
    answers = [client.post("/api/v1/jobs/events/backup_done").status_code for _ in range(61)]
    assert answers == [202] * 60 + [429]
    assert int(client.post("/api/v1/jobs/events/backup_done").headers["retry-after"]) > 0
    assert ground.client("boss").post("/api/v1/jobs/events/backup_done").status_code == 202


def test_orchestrate_74_the_event_of_a_rule_is_fired_by_nobody_outside(ground: Ground) -> None:
    rule, _ = read_event(RULE, "backup_done", "rules/backup_done.event", ZoneInfo("UTC"))
    assert rule is not None
    object.__setattr__(ground.app.state.web, "rules", lambda: RuleSet([rule]))
    assert ground.client("operator").post("/api/v1/jobs/events/BACKUP_DONE").status_code == 403


def test_the_pages_show_jobs_and_their_runs_and_nothing_in_them_has_power(ground: Ground) -> None:
    browser = ground.browser("operator")
    number = started(ground)
    with ground.ledger.transaction() as session:
        session.add(JobLog(instance_id=number, at=ground.now, level="error", text=f"<script>x</script>{EVIL}"))
    page = browser.get("/jobs").text
    assert "nightly, backup" in page
    assert f'href="/jobs/{number}"' in page
    shown = browser.get(f"/jobs/{number}")
    assert shown.status_code == 200
    assert "<script>x" not in shown.text
    assert "&lt;script&gt;x" in shown.text
    assert browser.get("/jobs/999").status_code == 404
    fresh = browser.get(f"/jobs/{number}/fresh.json").json()
    assert (fresh["run"]["state"], len(fresh["lines"])) == ("submitted", 1)
    token = form_token(browser, "/jobs")
    for path, more in (
        ("/jobs/run", {"job": "quiet"}),
        ("/jobs/schedules/s/run", {}),
        ("/jobs/schedules/s/disable", {}),
        (f"/jobs/{number}/cancel", {}),
    ):
        answer = browser.post(path, data={"form_token": token, **more})
        assert answer.status_code == 303, (path, answer.text)
    assert "inactive" in browser.get("/jobs").text
    assert "Cancelled" in browser.get(f"/jobs/{number}").text
    assert ground.browser("viewer").get("/jobs").text.count("Run now") == 0
