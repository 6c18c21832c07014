"""``POST /api/v1/push/{provider}``: the forms that are taken, who may push, and what is refused."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import pytest
from sqlalchemy import select, update

from tasks.catch import pressure
from tasks.catch.poll import enrol, poll
from tasks.ledger.events import Event, Notification, RoadSighting
from tasks.ledger.providers import Provider
from tasks.ledger.session import Ledger
from tasks.model.errors import SiteInvalid
from tasks.providers.table import kinds
from tests.ground import Rung, all_the_way, caught, content, count, errors, exact, notice, provider, standing, sums
from tests.push_ground import BASE, BATCH, CLOUDEVENT, PushGround, TestClient, cloudevent
from tests.unit.switchboard.small_datastores import domain, files_of, klass
from workers.web import gate
from workers.web.app import create_app

ZERO = {"received": 0, "stored": 0, "duplicate": 0, "rejected": 0, "quarantined": 0}


@pytest.fixture
def ground(ledger: Ledger) -> PushGround:
    return PushGround(ledger)


def published(message_id: str = "a", **more: Any) -> dict[str, Any]:
    """An event as Ceilometer's HTTP publisher writes it: traits are triples."""
    traits = [["instance_id", 1, "s1"], ["service", 1, "compute.node7"], ["memory_mb", 2, 512]]
    body = {"message_id": message_id, "event_type": "compute.instance.power_off.end", "traits": traits, "raw": {}}
    return {**body, "generated": "2031-05-04T12:00:00.250000", **more}


def said(answer: Any) -> str:
    return str(answer.json()["error"]["message"])


def test_a_batch_of_ceilometers_publisher_is_stored_before_the_answer(ground: PushGround) -> None:
    answer = ground.push("lab", [published("a"), published("b"), published("a")])
    assert (answer.status_code, answer.json()) == (202, {**ZERO, "received": 3, "stored": 2, "duplicate": 1})
    assert sums(ground.ledger) == (3, 2, 1, 0)
    with ground.ledger.reading() as session:
        event = session.scalars(select(Event).where(Event.message_id == "a")).one()
        assert (event.resource_kind, event.resource_id) == ("server", "s1")
        assert session.get_one(Notification, event.id).road == "push lab"
    assert len(ground.rung) == 1
    assert ground.rung[0]


def test_one_event_alone_is_taken_as_well(ground: PushGround) -> None:
    assert ground.push("lab", published()).json()["stored"] == 1
    flat = content(message_id="b")
    assert ground.push("lab", flat).json()["stored"] == 1
    envelope = {"oslo.version": "2.0", "oslo.message": json.dumps(content(message_id="c"))}
    assert ground.push("lab", envelope).json()["stored"] == 1
    assert set(standing(ground.ledger)) == {"a", "b", "c"}


def test_an_esi_notification_is_taken(ground: PushGround) -> None:
    lease = {"esi_leap_object.name": "LeaseCRUDPayload", "esi_leap_object.data": {"uuid": "l-1", "project_id": "red"}}
    inner = content("esi_leap.lease.fulfill.end", None, message_id="x", _context_auth_token="gAAAAA-secret")
    inner["payload"] = lease
    assert ground.push("lab", {"oslo.version": "2.0", "oslo.message": json.dumps(inner)}).json()["stored"] == 1
    with ground.ledger.reading() as session:
        [event] = session.scalars(select(Event)).all()
        assert (event.resource_id, event.event_type) == ("l-1", "esi_leap.lease.fulfill.end")
        assert "gAAAAA-secret" not in session.get_one(Notification, event.id).content


def test_cloudevents_are_taken_structured_batched_and_binary(ground: PushGround) -> None:
    assert ground.push("racks", cloudevent(id="1"), CLOUDEVENT).json()["stored"] == 1
    assert ground.push("racks", [cloudevent(id="2"), cloudevent(id="3")], BATCH).json()["stored"] == 2
    headers = {"ce-specversion": "1.0", "ce-id": "4", "ce-source": "/racks/4", "ce-type": "rack.door.opened"}
    headers |= {"ce-subject": "door%2Fd%20%C3%A9", "ce-time": "2031-05-04T12:00:00Z"}
    assert ground.push("racks", {"by": "erin"}, **headers).json()["stored"] == 1
    # The same facts once more, each in another way.
    assert ground.push("racks", {"by": "erin"}, **{**headers, "ce-id": "1"}).json()["duplicate"] == 1
    assert ground.push("racks", cloudevent(id="4"), f"{CLOUDEVENT}; charset=utf-8").json()["duplicate"] == 1
    all_the_way(ground.installation)
    line = exact(ground.ledger)["racks"]
    assert (line.received, line.stored, line.finished, line.dead) == (6, 4, 4, 0)
    with ground.ledger.reading() as session:
        found = session.scalars(select(Event).where(Event.message_id == "/racks/4 4")).one()
        assert (found.resource_kind, found.resource_id) == ("door", "d é")
        told = json.loads(session.get_one(Notification, found.id).content)
        assert told["payload"] == {"by": "erin"}
        assert told["cloudevent"]["datacontenttype"] == "application/json"


@pytest.mark.parametrize(
    ("media", "body", "payload"),
    [
        ("text/plain", b"smoke", {"value": "smoke"}),
        ("application/vnd.rack+json", b'{"a": 1}', {"a": 1}),
        ("application/octet-stream", b"\xff\x00", {"data_base64": "/wA="}),
        ("text/plain; charset=latin-1", b"\xe9", {"data_base64": "6Q=="}),
        ("", b"", {}),
    ],
)
def test_binary_mode_carries_any_data(ground: PushGround, media: str, body: bytes, payload: dict[str, Any]) -> None:
    headers = {"ce-specversion": "1.0", "ce-id": "4", "ce-source": "/r", "ce-type": "t"}
    assert ground.push("racks", body, media, **headers).status_code == 202
    with ground.ledger.reading() as session:
        assert json.loads(session.scalars(select(Notification.content)).one())["payload"] == payload


def test_a_notification_in_a_cloudevent_is_the_notification(ground: PushGround) -> None:
    caught(ground.installation, provider(ground.ledger), notice(message_id="a"))
    answer = ground.push("lab", cloudevent(data=content(message_id="a")), CLOUDEVENT)
    assert answer.json() == {**ZERO, "received": 1, "duplicate": 1}
    assert (count(ground.ledger, Event), count(ground.ledger, RoadSighting)) == (1, 1)


def test_a_push_says_nothing_of_how_the_monitor_is(ground: PushGround) -> None:
    provider(ground.ledger, monitor="amqp", failure="no broker answers")
    assert ground.push("lab", [published()]).status_code == 202
    with ground.ledger.reading() as session:
        row = session.scalars(select(Provider).where(Provider.name == "lab")).one()
        assert (row.monitor, row.failure, row.contact_at) == ("amqp", "no broker answers", None)
        assert row.event_at is not None


def test_an_ignored_type_is_rejected_and_an_empty_list_is_nothing(ground: PushGround) -> None:
    answer = ground.push("lab", [published(event_type="identity.authenticate"), published("b")])
    assert answer.json() == {**ZERO, "received": 2, "stored": 1, "rejected": 1}
    assert ground.push("lab", []).json() == ZERO


def test_what_cannot_be_read_among_others_is_quarantined_and_hurts_no_neighbour(ground: PushGround) -> None:
    provider(ground.ledger)
    bad = [5, "x", [], {"counter_name": "cpu"}, None]
    answer = ground.push("lab", [published("a"), *bad, published("b")])
    assert answer.json() == {**ZERO, "received": 7, "stored": 7, "quarantined": 5}
    all_the_way(ground.installation)
    line = exact(ground.ledger)["lab"]
    assert (line.finished, line.dead) == (2, 5)
    assert all(errors(ground.ledger).values())


def test_what_is_read_but_makes_no_event_goes_to_the_dead_letter_desk(ground: PushGround) -> None:
    provider(ground.ledger)
    assert ground.push("lab", content(message_id="a") | {"payload": "a text"}).json()["stored"] == 1
    all_the_way(ground.installation)
    assert exact(ground.ledger)["lab"].dead == 1


@pytest.mark.parametrize(
    ("name", "body", "media", "word"),
    [
        ("racks", cloudevent(id=""), CLOUDEVENT, "attribute id"),
        ("racks", [cloudevent(type=5), cloudevent(specversion="0.3")], BATCH, "attribute type"),
        ("racks", published(), "application/json", "specversion"),
        ("lab", {"counter_name": "cpu", "counter_volume": 5}, "application/json", "not a notification"),
        ("lab", [[], "x"], "application/json", "no object"),
        ("lab", cloudevent(data={"a": 1}), CLOUDEVENT, "not a notification"),
    ],
)
def test_a_push_of_which_nothing_can_be_read_stays_with_its_sender(
    ground: PushGround, name: str, body: Any, media: str, word: str
) -> None:
    answer = ground.push(name, body, media)
    assert answer.status_code == 422
    problems = answer.json()["error"]["problems"]
    assert word in problems[0]["what"]
    assert problems[0]["where"] == "body.0"
    assert count(ground.ledger, Event) == 0
    assert name not in exact(ground.ledger) or sums(ground.ledger, name) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff\xfe", b"[1,]", b'{"a": NaN}', b'{"a": 1e999999}', b"[" * 100_000, b'{"a":' * 50_000]
)
@pytest.mark.parametrize("media", ["application/json", CLOUDEVENT, BATCH])
def test_a_body_that_cannot_be_read_is_refused(ground: PushGround, media: str, body: bytes) -> None:
    answer = ground.push("lab", body, media)
    assert answer.status_code in (400, 422)
    assert answer.json()["error"]["code"] in ("bad_request", "unprocessable_content", "unprocessable_entity")
    assert count(ground.ledger, Event) == 0


@pytest.mark.parametrize("depth", [120, 400, 900, 990])
@pytest.mark.parametrize("name", ["lab", "racks"])
def test_a_body_that_is_nested_too_deeply_is_refused(ground: PushGround, name: str, depth: int) -> None:
    nested = b'{"event_type": "x", "payload": ' + b'{"a":' * depth + b"1" + b"}" * (depth + 1)
    assert ground.push(name, nested).status_code == 400
    assert ground.push(name, b"[" + nested + b"]").status_code == 400
    assert count(ground.ledger, Event) == 0


@pytest.mark.parametrize(
    ("body", "media"),
    [(b"7", "application/json"), (b'"x"', "application/json"), (b"[]", CLOUDEVENT), (b"{}", BATCH), (b"null", BATCH)],
)
def test_json_without_a_notification_is_refused(ground: PushGround, body: bytes, media: str) -> None:
    assert ground.push("racks", body, media).status_code == 422


@pytest.mark.parametrize(
    ("media", "more"),
    [
        ("text/html", {}),
        ("application/x-www-form-urlencoded", {}),
        ("application/cloudevents+avro", {}),
        ("application/cloudevents+avro", {"ce-specversion": "1.0"}),
        ("", {}),
        ("application/json", {"Content-Encoding": "gzip"}),
    ],
)
def test_a_form_that_is_not_known_is_refused(ground: PushGround, media: str, more: dict[str, str]) -> None:
    answer = ground.push("lab", b"[]", media, **more)
    assert answer.status_code == 415, answer.text


def test_too_many_notifications_are_refused(ledger: Ledger) -> None:
    ground = PushGround(ledger, web={"push_events": 3})
    assert ground.push("lab", [published(str(n)) for n in range(4)]).status_code == 413
    inside = {"event_type": "event", "payload": [published(str(n)) for n in range(4)]}
    answer = ground.push("lab", inside)
    assert answer.status_code == 413
    assert "at most 3" in said(answer)
    assert count(ledger, Event) == 0
    assert ground.push("lab", [published(str(n)) for n in range(3)]).json()["stored"] == 3


def test_too_large_a_notification_is_refused_alone_and_quarantined_among_others(ledger: Ledger) -> None:
    ground = PushGround(ledger, catch={"body_limit_bytes": 2000}, web={"push_bytes": 20_000})
    large = published("large", raw={"payload": {"text": "x" * 3000}})
    assert ground.push("lab", large).status_code == 413
    assert ground.push("racks", cloudevent(data="x" * 3000), CLOUDEVENT).status_code == 413
    headers = {"ce-specversion": "1.0", "ce-id": "4", "ce-source": "/r", "ce-type": "t"}
    assert ground.push("racks", b"x" * 3000, "text/plain", **headers).status_code == 413
    assert count(ledger, Event) == 0
    answer = ground.push("lab", [published("a"), large])
    assert answer.json() == {**ZERO, "received": 2, "stored": 2, "quarantined": 1}
    assert [error for error in errors(ledger).values() if "catch.body_limit_bytes" in error]


def test_a_body_beyond_the_limit_is_not_read_to_its_end(ledger: Ledger) -> None:
    ground = PushGround(ledger, web={"push_bytes": 4096})
    client = ground.client("lab", **{"Content-Type": "application/json"})
    assert client.post("/api/v1/push/lab", content=b" " * 5000).status_code == 413
    assert client.post("/api/v1/push/lab", content=(b" " * 1024 for _ in range(5))).status_code == 413
    assert ground.push("lab", b"[]" + b" " * 4000).status_code == 202


def test_a_token_that_pushes_does_nothing_else(ground: PushGround) -> None:
    client = ground.client("lab")
    for method, path in (
        ("GET", "/"),
        ("GET", "/api/v1/events"),
        ("GET", "/api/v1/health/live"),
        ("GET", "/metrics"),
        ("GET", "/api/v1/push/lab"),
        ("PUT", "/api/v1/push/lab"),
        ("POST", "/api/v1/push/racks"),
        ("POST", "/api/v1/push/lab/"),
        ("POST", "/api/v1/push/Lab"),
        ("POST", "/api/v1/readings"),
        ("POST", "/signout"),
        ("GET", "/api/v1/openapi.json"),
        ("GET", "/nothing"),
    ):
        assert client.request(method, path).status_code == 403, (method, path)
    nonce = TestClient(ground.app, base_url=BASE, headers={"Origin": BASE}, follow_redirects=False)
    page = nonce.get("/signin", headers={"Accept": "text/html"}).text
    form = page.partition('name="form_token" value="')[2].partition('"')[0]
    assert nonce.post("/signin", data={"token": ground.token["lab"], "form_token": form}).status_code == 401


@pytest.mark.parametrize("role", ["view", "operate", "admin"])
def test_no_other_token_pushes(ground: PushGround, role: str) -> None:
    ground.make("lab-other", role)
    answer = ground.push("lab-other", [published()])
    assert answer.status_code == 403
    assert "--push" in said(answer)


def test_the_token_may_be_the_password_of_a_user_where_events_are_pushed_and_nowhere_else(ground: PushGround) -> None:
    ground.make("viewer", "view")

    def status(name: str, clear: str, path: str = "/api/v1/push/lab", method: str = "POST") -> int:
        packed = base64.b64encode(f"{name}:{clear}".encode()).decode()
        client = TestClient(ground.app, base_url=BASE, headers={"Authorization": f"Basic {packed}"})
        return client.request(method, path, json=[published()] if method == "POST" else None).status_code

    assert status("anybody", ground.token["lab"]) == 202
    assert status("anybody", ground.token["racks"]) == 403
    assert status("anybody", ground.token["viewer"]) == 403
    assert status("anybody", ground.token["viewer"], "/api/v1/events", "GET") == 401
    assert status("anybody", "wrong") == 401
    for header in ("Basic", "Basic %%%", "Basic " + "A" * 1000, "Digest x", "Basic //79"):
        client = TestClient(ground.app, base_url=BASE, headers={"Authorization": header})
        assert client.post("/api/v1/push/lab", json=[]).status_code == 401


def test_a_token_of_a_provider_that_the_site_dropped_is_told(ground: PushGround) -> None:
    ground.make("gone", "push", provider="gone")
    answer = ground.push("gone", [])
    assert answer.status_code == 404
    assert "no such provider" in said(answer)


def test_who_pushes_too_fast_waits_and_others_do_not(ledger: Ledger) -> None:
    ground = PushGround(ledger, web={"push_per_second": 10, "push_burst": 5})
    # More than the burst is let through once and owed for.
    assert ground.push("lab", [published(str(n)) for n in range(25)]).status_code == 202
    answer = ground.push("lab", [published("late")])
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "3")
    assert "10 notifications a second" in said(answer)
    assert ground.push("racks", cloudevent(), CLOUDEVENT).status_code == 202
    ground.seconds += 3
    assert ground.push("lab", [published("late")]).status_code == 202
    assert sums(ledger) == (26, 26, 0, 0)


def test_refused_pushes_count_too(ledger: Ledger) -> None:
    ground = PushGround(ledger, web={"push_per_second": 1, "push_burst": 3})
    assert [ground.push("lab", b"{").status_code for _ in range(4)] == [400, 400, 400, 429]
    ground.seconds += 1.5
    assert ground.push("lab", []).status_code == 202


def test_a_push_is_held_back_while_the_ledger_is_behind(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pressure, "LOOK_SECONDS", 0.0)
    ground = PushGround(ledger, catch={"backlog": 2})
    provider(ledger)
    assert ground.push("lab", [published(str(n), traits=[]) for n in range(3)]).status_code == 202
    answer = ground.push("lab", [published("x")])
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    all_the_way(ground.installation)
    assert ground.push("lab", [published("x")]).status_code == 202


def test_a_site_with_mistakes_takes_nothing_and_says_so(ground: PushGround, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def current(self) -> Any:
            raise SiteInvalid("the site /secret/path has 1 mistake")

    monkeypatch.setattr(ground.installation, "sites", Broken())
    answer = ground.push("lab", [published()])
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")
    assert "/secret/path" not in answer.text


def test_a_process_without_a_site_takes_nothing(ground: PushGround) -> None:
    app = create_app(ground.ledger, ground.installation.site.settings, key=b"k" * 32)
    client = TestClient(app, base_url=BASE, headers={"Authorization": f"Bearer {ground.token['lab']}"})
    assert client.post("/api/v1/push/lab", json=[]).status_code == 503


def test_a_failure_to_store_answers_no_success(ground: PushGround, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr("tasks.catch.ingest.Ingest._insert", fail)
    client = TestClient(ground.app, base_url=BASE, headers={"Authorization": f"Bearer {ground.token['lab']}"})
    answer = client.post("/api/v1/push/lab", json=[published()])
    assert answer.status_code == 500
    assert "disk" not in answer.text
    assert count(ground.ledger, Event) == 0
    assert ground.rung == []


class Wire:
    """One push as the server hands it over, whose body comes when the test says so."""

    def __init__(self, ground: PushGround, token: str = "lab", **headers: str) -> None:
        self._ground, self._token = ground, token
        self._headers = {"host": "127.0.0.1", "content-type": "application/json", **headers}
        self.asked, self._pieces = asyncio.Event(), asyncio.Queue[dict[str, Any]]()
        self._sent: list[Any] = []

    def piece(self, body: bytes, *, more: bool = False) -> None:
        """Let a part of the body come."""
        self._pieces.put_nowait({"type": "http.request", "body": body, "more_body": more})

    def hang_up(self) -> None:
        """Let the connection be lost."""
        self._pieces.put_nowait({"type": "http.disconnect"})

    async def run(self) -> int | None:
        """The status of the answer, or None where there was nobody to answer."""
        path = f"/api/v1/push/{self._token}"
        given = {**self._headers, "authorization": f"Bearer {self._ground.token[self._token]}"}
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http",
            "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "", "state": {},
            "headers": [(name.encode(), value.encode()) for name, value in given.items()],
            "client": ("127.0.0.1", 5), "server": ("127.0.0.1", 8765),
        }  # fmt: skip
        await self._ground.app(scope, self._receive, self._send)
        return self._sent[0]["status"] if self._sent else None

    async def _receive(self) -> dict[str, Any]:
        self.asked.set()
        return await self._pieces.get()

    async def _send(self, message: Any) -> None:
        self._sent.append(message)


@pytest.mark.parametrize("announced", [True, False])
def test_a_half_sent_body_stores_nothing(ground: PushGround, announced: bool) -> None:
    whole = json.dumps([published()]).encode()
    headers = {"content-length": str(len(whole) + 1)} if announced else {}

    async def run() -> tuple[int | None, int | None]:
        half, both = Wire(ground, **headers), Wire(ground)
        # What came is JSON by chance: the sender has not said that it is all.
        half.piece(whole, more=True)
        half.hang_up()
        lost = await half.run()
        assert count(ground.ledger, Event) == 0
        both.piece(whole[:9], more=True)
        both.piece(whole[9:])
        return lost, await both.run()

    assert asyncio.run(run()) == (None, 202)


def test_a_body_that_does_not_come_is_given_up(ground: PushGround, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "PUSH_PATIENCE", 0.01)

    async def run() -> int | None:
        return await Wire(ground).run()

    assert asyncio.run(run()) == 408


@pytest.mark.parametrize(
    ("limits", "tokens"), [((2, 2), ["lab", "racks"]), ((8, 2), ["lab", "lab"])], ids=["of all", "of one token"]
)
def test_a_few_pushes_are_taken_at_the_same_time_and_the_others_come_again(
    ground: PushGround, monkeypatch: pytest.MonkeyPatch, limits: tuple[int, int], tokens: list[str]
) -> None:
    monkeypatch.setattr(gate, "PUSHES", limits[0])
    monkeypatch.setattr(gate, "PUSHES_A_TOKEN", limits[1])

    async def run() -> list[int | None]:
        wires = [Wire(ground, token) for token in tokens]
        under_way = [asyncio.create_task(wire.run()) for wire in wires]
        for wire in wires:
            await wire.asked.wait()
        crowded = await Wire(ground).run()
        for wire in wires:
            wire.piece(b"[]")
        later = Wire(ground)
        done = [await task for task in under_way]
        later.piece(b"[]")
        return [crowded, *done, await later.run()]

    assert asyncio.run(run()) == [503, 202, 202, 202]


WATCH = """
def watch(service):
    service.raise_event("door_watched", "door", service.event["resource_id"])
"""


@pytest.mark.parametrize("source", ["RACKS", "WEBHOOK"])
def test_the_switchboard_finds_a_webhooks_events_under_its_source(ledger: Ledger, source: str) -> None:
    python = {"language": "python", "location": "inline", "data": "ours:watch"}
    instances = {"rack.door.opened": {"meth1": "watch"}}
    held = klass("System/Event/EmsEvent", "RACKS", [("meth1", "method")], instances, [["watch", python]])
    files = {**files_of(domain("Ours", held)), "automate/methods/ours.py": WATCH.encode()}
    ground = PushGround(ledger, webhook={"source": source, "tenant": "data.project"}, automate=files)
    assert ground.push("racks", cloudevent(data={"project": "red"}), CLOUDEVENT).status_code == 202
    all_the_way(ground.installation)
    with ledger.reading() as session:
        assert session.scalars(select(Provider.source).where(Provider.name == "racks")).one() == source
        raised = session.scalars(select(Event.event_type).where(Event.raised)).all()
        assert raised == (["door_watched"] if source == "RACKS" else [])
        assert session.scalars(select(Event.tenant_id).where(~Event.raised)).one() == "red"


def test_a_changed_source_word_is_taken_over(ground: PushGround) -> None:
    racks = ground.installation.site.providers["racks"]
    known = enrol(ground.installation, racks, kinds()["webhook"])
    with ground.ledger.transaction() as session:
        session.execute(update(Provider).where(Provider.id == known).values(source="OLD"))
    assert enrol(ground.installation, racks, kinds()["webhook"]) == known
    with ground.ledger.reading() as session:
        assert session.get_one(Provider, known).source == "WEBHOOK"


def test_the_tick_finds_a_webhook_in_order(ground: PushGround, rung: Rung) -> None:
    assert poll(ground.installation, "racks", lambda _: None).stored == 0
    with ground.ledger.reading() as session:
        row = session.scalars(select(Provider).where(Provider.name == "racks")).one()
        assert (row.monitor, row.failure, row.ready_note) == ("none", None, "no inventory is read")
        assert row.contact_at is not None
