"""Automation requests over HTTP, with the shape of ManageIQ's API: who may open, approve and see which."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.web.web_ground import BASE, Ground

URL = "/api/automation_requests"
BODY: dict[str, Any] = {
    "version": "1.1",
    "uri_parts": {"namespace": "/Lab/Ops/", "class": "Hooks", "instance": "lease_ended"},
    "parameters": {"VmOrTemplate::vm": 42, "Reason": "lease", "miq_zone": "rack3"},
}


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    found = Ground(tmp_path)
    yield found
    found.close()


def opened(ground: Ground, name: str = "operator", **more: Any) -> dict[str, Any]:
    answer = ground.client(name).post(URL, json={**BODY, **more})
    assert answer.status_code == 200, answer.text
    [result] = answer.json()["results"]
    found: dict[str, Any] = result
    return found


def test_check_101_request_is_opened_with_its_address_and_parameters(ground: Ground) -> None:
    result = opened(ground)
    options = result.pop("options")
    assert {key: result[key] for key in ("type", "request_type", "approval_state", "request_state", "status")} == {
        "type": "AutomationRequest",
        "request_type": "automation",
        "approval_state": "pending_approval",
        "request_state": "pending",
        "status": "Ok",
    }
    assert result["message"] == "Automation Task - Request Created"
    assert result["href"] == f"{BASE}{URL}/{result['id']}"
    assert (result["userid"], result["requester_name"]) == ("operator", "operator")
    assert options["uri"] == "/Lab/Ops/Hooks/lease_ended#create"
    assert options["attrs"] == {"VmOrTemplate::vm": 42, "reason": "lease", "miq_zone": "rack3", "userid": "operator"}
    assert ground.client("viewer").get(f"{URL}/{result['id']}").json()["id"] == result["id"]
    assert ground.rings == [True]


def test_defaults_and_the_older_form_of_text(ground: Ground) -> None:
    old = opened(ground, uri_parts="namespace=A/B|class=C|instance=i|message=go", parameters="x=1|y=2")
    assert old["options"]["uri"] == "/A/B/C/i#go"
    assert old["options"]["attrs"] == {"x": "1", "y": "2", "userid": "operator"}
    plain = opened(ground, uri_parts={}, parameters={})
    assert plain["options"]["uri"] == "/System/Process/AUTOMATION_REQUEST#create"


def test_check_90_and_111_approving_at_once_and_acting_for_somebody_else_take_the_role_admin(ground: Ground) -> None:
    for requester in ({"auto_approve": True}, {"user_name": "erin"}):
        answer = ground.client("operator").post(URL, json={**BODY, "requester": requester})
        assert answer.status_code == 403
        assert "admin" in answer.text
    assert ground.client("viewer").post(URL, json=BODY).status_code == 403
    result = opened(ground, "boss", requester={"auto_approve": "true", "user_name": "erin"})
    assert (result["approval_state"], result["userid"]) == ("approved", "erin")
    # The stamp is of whoever approved it, and of nobody else.
    tasks = ground.client("boss").get(f"{URL}/{result['id']}/request_tasks")
    assert tasks.json()["count"] == 0


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"id": 7}, "id: a request gets its number here"),
        ({"uri_parts": {"instance": "a#b"}}, "uri_parts.instance"),
        ({"uri_parts": [1]}, "uri_parts: write a map"),
        ({"parameters": {"schedule_time": "soon"}}, "schedule_time"),
        ({"action": "explode"}, "action 'explode' is not known here"),
        ({"action": "create", "resources": []}, "resources"),
        ({"action": "create", "resources": [1]}, "resources"),
    ],
)
def test_bad_input_is_told_and_nothing_is_opened(ground: Ground, body: dict[str, Any], words: str) -> None:
    answer = ground.client("boss").post(URL, json=body)
    assert answer.status_code == 400
    assert words in answer.text
    assert ground.client("boss").get(URL).json()["resources"] == []


def test_check_110_decisions_one_by_one_and_in_bulk(ground: Ground) -> None:
    first, second, third = (opened(ground)["id"] for _ in range(3))
    client = ground.client("operator")
    assert client.post(f"{URL}/{first}", json={"action": "approve", "reason": " "}).status_code == 400
    done = client.post(f"{URL}/{first}", json={"action": "approve", "reason": "fine"}).json()
    assert (done["success"], done["approval_state"]) == (True, "approved")
    again = client.post(f"{URL}/{first}", json={"action": "deny", "reason": "no"}).json()
    assert again["success"] is False
    assert "approved already" in again["message"]
    resources = [
        {"id": second, "reason": "no"},
        {"id": third},
        {"href": f"{BASE}{URL}/{first}", "reason": "x"},
        {"id": "9999", "reason": "x"},
    ]
    results = client.post(URL, json={"action": "deny", "resources": resources}).json()["results"]
    assert [r["success"] for r in results] == [True, False, False, False]
    assert "needs a reason" in results[1]["message"]
    assert results[3]["message"] == "there is no such request"


def test_edit_and_cancel(ground: Ground) -> None:
    number = opened(ground)["id"]
    client = ground.client("operator")
    edited = client.post(f"{URL}/{number}", json={"action": "edit", "resource": {"options": {"note": "x"}}}).json()
    assert edited["options"]["note"] == "x"
    assert client.post(f"{URL}/{number}", json={"action": "edit"}).status_code == 400
    assert client.post(f"{URL}/{number}", json={"action": "cancel"}).json()["request_state"] == "finished"
    assert client.post(f"{URL}/{number}", json={"action": "jump"}).status_code == 400


def test_token_of_a_project_sees_that_projects_requests(ground: Ground) -> None:
    theirs, ours = opened(ground, "operator")["id"], opened(ground, "red-op")["id"]
    client = ground.client("red-op")
    assert [r["id"] for r in client.get(URL).json()["resources"]] == [ours]
    assert client.get(f"{URL}/{theirs}").status_code == 404
    assert client.post(f"{URL}/{theirs}", json={"action": "approve", "reason": "mine"}).status_code == 404
    bulk = client.post(URL, json={"action": "approve", "resources": [{"id": theirs, "reason": "mine"}]}).json()
    assert bulk["results"][0]["message"] == "there is no such request"


def test_check_104_scheduled_request_says_so(ground: Ground) -> None:
    options = opened(ground, parameters={"schedule_time": "2040-01-02T03:04:05Z"})["options"]
    assert (options["schedule_type"], options["attrs"]) == ("schedule", {"userid": "operator"})
