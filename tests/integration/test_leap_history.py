"""ESI Leap's event history over Catchment's ledger: what tenants see, and what they do not."""

from __future__ import annotations

import base64
import json
import threading
import warnings
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from examples.esi.leases import LESSEE, OWNER, Leases
from tasks.conveyor.prune import expire
from tasks.ledger import esi, tokens
from tasks.ledger.inventory import InventoryObject
from tasks.ledger.providers import Provider
from tasks.ledger.session import Ledger
from tasks.model import clock
from tests.ground import START, only_postgresql
from tests.leap_way import LeapWay
from tests.unit.esi_leap.leap_ground import END, ERROR, LEASE, NODE, message
from workers.web.app import create_app
from workers.web.tenant import app as tenant_app

with warnings.catch_warnings():
    # Starlette asks for a successor of httpx that not every machine has; with httpx it works as well.
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

BASE = "http://127.0.0.1:8765"
KEYS = ["id", "event_type", "event_time", "object_type", "object_uuid", "resource_type", "resource_uuid",
        "lessee_id", "owner_id"]  # fmt: skip


class History:
    """An installation with events, and the tenants' API over it."""

    def __init__(self, ledger: Ledger, root: Path) -> None:
        self.way = LeapWay(ledger, root, "[one]\nevents = none\nscript = /bin/true\n")
        app = create_app(ledger, self.way.site.settings.model_copy(update={"var": root}), key=b"k" * 32)
        self.plain = TestClient(app, base_url=BASE, follow_redirects=False)
        with ledger.transaction() as session:
            self.token = {
                name: tokens.make(session, name, "view", project)
                for name, project in (("all", None), ("lessee", LESSEE), ("owner", OWNER), ("other", "9" * 32))
            }

    def get(self, path: str, who: str = "all", **more: Any) -> Any:
        return self.plain.get(path, headers={"X-Auth-Token": self.token[who], **more})

    def events(self, query: str = "", who: str = "all") -> list[dict[str, Any]]:
        answer = self.get(f"/v1/events{query}", who)
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["events"]
        return found

    def ids(self, query: str = "", who: str = "all") -> list[int]:
        return [event["id"] for event in self.events(query, who)]


@pytest.fixture
def history(ledger: Ledger, tmp_path: Path) -> History:
    return History(ledger, tmp_path)


def capture(corpus: Path, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((corpus / "esi/api" / f"{name}.json").read_text())["body"]["events"]
    return found


@pytest.mark.corpus
def test_check_02_the_rows_are_those_that_the_service_gives(history: History, corpus: Path) -> None:
    rows = capture(corpus, "events-admin")
    history.way.catch(*rows)
    assert history.events() == rows
    assert list(history.events()[0]) == KEYS
    mine = sorted(capture(corpus, "events-owner"), key=lambda row: int(row["id"]))
    assert history.events("", "owner") == mine
    late = sorted(capture(corpus, "events-last-id-5"), key=lambda row: int(row["id"]))
    assert history.events("?last_event_id=5", "lessee") == late
    assert history.events(f"?lessee_or_owner_id={OWNER}") == mine


def test_ids_rise_in_the_order_in_which_events_become_visible(history: History) -> None:
    history.way.catch(message(END, message_id="b"))
    assert history.ids() == [1]
    late = json.loads(message(END, message_id="a", envelope=False))
    history.way.catch({**late, "timestamp": "2031-05-04 11:00:00.000000"}, message(ERROR, message_id="c"))
    assert [(e["id"], e["event_time"][11:16]) for e in history.events()] == [(1, "12:00"), (2, "11:00"), (3, "12:00")]
    assert history.ids("?last_event_id=1") == [2, 3]
    assert history.ids() == [1, 2, 3]


@only_postgresql
def test_readers_at_once_never_see_a_gap_close_behind_them(history: History) -> None:
    history.way.catch(*(message(END, message_id=f"m{n}") for n in range(60)))
    seen: list[list[int]] = []

    def read() -> None:
        esi.number(history.way.ledger)
        with history.way.ledger.reading() as session:
            seen.append([r.number or 0 for r in esi.records(session, esi.Asked())])

    threads = [threading.Thread(target=read) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(numbers == list(range(1, len(numbers) + 1)) for numbers in seen)
    assert max(map(len, seen)) == 60


def test_numbers_are_not_given_again_when_events_have_expired(history: History) -> None:
    history.way.catch(message(END, message_id="a"), message(ERROR, message_id="b"))
    assert history.ids() == [1, 2]
    settings = history.way.site.settings
    expire(history.way.ledger, settings, START + timedelta(days=settings.retention_days + 1))
    assert history.ids() == []
    history.way.catch(message(END, message_id="c"))
    assert history.ids() == [3]


def test_nothing_but_esi_events_is_listed(history: History) -> None:
    history.way.catch(
        message(END), {"message_id": "x", "event_type": "baremetal.node.power_set.end", "payload": {"uuid": NODE}},
        b"junk", {"message_id": "y", "event_type": END, "payload": None},
    )  # fmt: skip
    assert [event["event_type"] for event in history.events()] == [END]


@pytest.fixture
def two(history: History) -> History:
    """A lease of the lessee, and one of somebody else whom the same owner lends to."""
    history.way.catch(message(END, message_id="a"), message(ERROR, message_id="b"))
    history.way.catch(message(END, message_id="c", project_id="9" * 32, uuid="l-2", node_uuid="n-2",
                              resource_type="dummy_node"))  # fmt: skip
    return history


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", [1, 2, 3]),
        ("?last_event_id=0", [1, 2, 3]),
        ("?last_event_id=-5", [1, 2, 3]),
        ("?last_event_id=2", [3]),
        ("?last_event_id=9223372036854775807", []),
        (f"?event_type={END}", [1, 3]),
        ("?event_type=esi_leap.lease.*", []),
        ("?resource_type=dummy_node", [3]),
        ("?resource_type=unheard_of", []),
        (f"?resource_uuid={NODE}", [1, 2]),
        (f"?resource_uuid={NODE}&resource_type=dummy_node", []),
        ("?last_event_time=2031-05-04T11:59:59", [1, 2, 3]),
        ("?last_event_time=2031-05-04%2012:00:00Z", []),
        ("?last_event_time=2031-05-04", [1, 2, 3]),
        ("?last_event_time=2031-05-04T12:00:00%2B05:00", []),
        (f"?lessee_or_owner_id={LESSEE}", [1, 2]),
        (f"?lessee_or_owner_id={OWNER}&event_type={ERROR}", [2]),
        (f"?lessee_or_owner_id={'8' * 32}", []),
    ],
)
def test_filters_are_those_of_the_service_and_all_must_hold(two: History, query: str, found: list[int]) -> None:
    assert two.ids(query) == found


@pytest.mark.parametrize(
    "query",
    [
        "?limit=1", "?marker=3", "?object_uuid=x", "?last_event_id=abc", "?last_event_id=", "?last_event_id=1.5",
        "?last_event_id=9223372036854775808", f"?last_event_id={'9' * 400}", "?last_event_id=1&last_event_id=2",
        "?last_event_time=yesterday", "?last_event_time=", "?lessee_or_owner_id=no-such-name",
        "?resource_uuid=x&resource_type=unheard_of", "?event_type=%00",
    ],
)  # fmt: skip
def test_bad_input_gets_400_in_the_words_of_the_service(two: History, query: str) -> None:
    answer = two.get(f"/v1/events{query}")
    assert answer.status_code == 400
    assert list(answer.json()) == ["faultcode", "faultstring", "debuginfo"]
    assert answer.json()["faultcode"] == "Client"


@pytest.mark.corpus
def test_an_unknown_argument_is_refused_as_by_the_service(two: History, corpus: Path) -> None:
    captured = json.loads((corpus / "esi/api/events-unknown-param.json").read_text())["body"]
    assert two.get("/v1/events?limit=1").json() == captured


def test_a_project_sees_its_own_events_as_lessee_and_as_owner_and_no_others(two: History) -> None:
    assert two.ids(who="lessee") == [1, 2]
    assert two.ids(who="owner") == [1, 2, 3]
    assert two.ids(who="other") == [3]
    # Asking for another project is replaced in silence, as the service does.
    assert two.ids(f"?lessee_or_owner_id={LESSEE}", "other") == [3]
    assert two.ids("?lessee_or_owner_id=no-such-name", "other") == [3]


def test_a_project_and_a_node_may_be_named(two: History) -> None:
    with two.way.ledger.transaction() as session:
        for kind, ref, name in (("project", LESSEE, "research"), ("node", NODE, "node-a")):
            session.add(InventoryObject(provider_id=two.way.provider_id, kind=kind, ref=ref, state="known", name=name,
                                        attributes={}, seen_at=START))  # fmt: skip
    assert two.ids("?lessee_or_owner_id=research") == [1, 2]
    assert two.ids("?resource_uuid=node-a") == [1, 2]


def test_a_token_is_taken_as_the_client_sends_it(two: History) -> None:
    clear = two.token["lessee"]
    basic = base64.b64encode(f"me:{clear}".encode()).decode()
    for headers in ({"X-Auth-Token": clear}, {"Authorization": f"Bearer {clear}"}, {"Authorization": f"Basic {basic}"}):
        assert two.plain.get("/v1/events", headers=headers).status_code == 200
    bad: list[dict[str, str]] = [
        {}, {"X-Auth-Token": "notused"}, {"X-Auth-Token": ""}, {"Authorization": "Basic !"},
        {"X-Auth-Token": "x", "Authorization": f"Bearer {clear}"},
    ]  # fmt: skip
    for headers in bad:
        answer = two.plain.get("/v1/events", headers=headers)
        assert answer.status_code == 401
        assert answer.json()["error"]["code"] == 401
        assert answer.json()["error"]["title"] == "Unauthorized"
        assert answer.headers["www-authenticate"]


@pytest.mark.parametrize("path", ["/v1/events/", "/v1/events.json", "//v1/events", "///v1/events"])
def test_other_spellings_of_the_address_work(two: History, path: str) -> None:
    assert len(two.plain.get(f"{BASE}{path}", headers={"X-Auth-Token": two.token["all"]}).json()["events"]) == 3


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"])
def test_nothing_can_be_changed(two: History, method: str) -> None:
    for path in ("/v1/events", f"/v1/leases/{LEASE}"):
        answer = two.plain.request(method, path, headers={"X-Auth-Token": two.token["all"]})
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET")
    assert two.get("/v1/events/1").status_code == 405
    assert two.get("/v1/nodes").status_code == 404


def test_the_version_document_is_open_and_leads_to_the_api(history: History) -> None:
    for path in ("/", "/v1", "/v1/"):
        document = history.plain.get(path).json()
        assert document["default_version"]["id"] == "v1"
        assert document["versions"][0]["links"] == [{"href": f"{BASE}/v1/", "rel": "self"}]
        assert document["versions"][0]["status"] == "CURRENT"
    assert history.plain.get("/", headers={"Accept": "text/html"}).headers["location"].startswith("/signin")
    assert history.plain.get("/v1/events").status_code == 401


def test_a_foreign_host_name_is_refused(history: History) -> None:
    assert history.get("/v1/events", Host="evil.example").status_code == 400


def test_answers_carry_the_headers_of_all_others(two: History) -> None:
    answer = two.get("/v1/events")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"


def test_a_long_history_goes_on_at_the_address_that_it_names(two: History, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tenant_app, "PAGE", 2)
    first = two.get(f"/v1/events?resource_type=ironic_node&last_event_id=0&lessee_or_owner_id={OWNER}").json()
    assert "events_links" not in first
    first = two.get("/v1/events?last_event_id=0").json()
    [link] = first["events_links"]
    assert link["rel"] == "next"
    second = two.get(link["href"]).json()
    assert [[e["id"] for e in page["events"]] for page in (first, second)] == [[1, 2], [3]]
    assert "events_links" not in second


def lease(history: History, ref: str = LEASE, name: str = "L1", project: str = LESSEE, **more: Any) -> None:
    attributes = {"name": name, "uuid": ref, "project_id": project, "owner_id": OWNER, "status": "active",
                  "start_time": "2031-05-04T12:00:00", "properties": {"a": 1}, **more}  # fmt: skip
    with history.way.ledger.transaction() as session:
        row = InventoryObject(provider_id=history.way.provider_id, kind="lease", ref=ref, state="known", name=name)
        row.tenant_id, row.attributes, row.seen_at = project, attributes, START
        session.add(row)


def test_a_lease_is_shown_from_inventory_by_id_and_by_name(history: History) -> None:
    lease(history, purpose="ci")
    shown = history.get(f"/v1/leases/{LEASE}", "lessee").json()
    assert (shown["purpose"], shown["status"], shown["properties"]) == ("ci", "active", {"a": 1})
    assert len(shown) == 20
    assert history.get("/v1/leases/L1", "owner").json() == shown
    assert history.get("/v1/leases/L1").json() == shown


def test_a_lease_that_was_not_read_yet_is_told_from_its_newest_message(history: History) -> None:
    history.way.catch(message(END, message_id="a", purpose="old"), message(ERROR, message_id="b", purpose="new"))
    shown = history.get(f"/v1/leases/{LEASE}", "lessee").json()
    assert (shown["purpose"], shown["start_time"], shown["resource"]) == ("new", "2031-05-04T12:00:00", "node-a")
    assert history.get(f"/v1/leases/{LEASE}", "other").status_code == 404


@pytest.mark.corpus
def test_a_lease_that_only_rows_of_the_history_tell_of_is_shown_as_far_as_it_is_known(
    history: History, corpus: Path
) -> None:
    [row, *_] = rows = capture(corpus, "events-admin")
    history.way.catch(*rows)
    shown = history.get(f"/v1/leases/{row['object_uuid']}").json()
    assert (shown["uuid"], shown["project_id"], shown["purpose"]) == (row["object_uuid"], row["lessee_id"], None)
    assert history.get(f"/v1/leases/{row['object_uuid']}", "other").status_code == 404


def test_a_lease_of_another_project_is_answered_as_one_that_does_not_exist(history: History) -> None:
    lease(history)
    absent = history.get("/v1/leases/00000000-0000-4000-8000-000000000000", "other")
    foreign = history.get(f"/v1/leases/{LEASE}", "other")
    assert absent.status_code == foreign.status_code == 404
    assert foreign.json()["faultstring"].replace(LEASE, "") == absent.json()["faultstring"].replace(
        "00000000-0000-4000-8000-000000000000", ""
    )


def test_several_leases_of_one_name_are_told_apart_by_who_asks(history: History) -> None:
    lease(history, "l-1")
    lease(history, "l-2", project="9" * 32)
    assert history.get("/v1/leases/L1", "lessee").json()["uuid"] == "l-1"
    assert history.get("/v1/leases/L1", "owner").status_code == 400


def test_a_kind_of_the_same_name_of_another_provider_is_not_shown(history: History) -> None:
    with history.way.ledger.transaction() as session:
        other = Provider(name="north", kind="openstack", added_at=START)
        session.add(other)
        session.flush()
        session.add(InventoryObject(provider_id=other.id, kind="lease", ref="b-1", state="known", name="b",
                                    attributes={"project_id": LESSEE}, seen_at=START))  # fmt: skip
    assert history.get("/v1/leases/b-1").status_code == 404


def test_the_simulated_services_own_rows_and_ours_agree(history: History) -> None:
    told: list[bytes] = []
    service = Leases(lambda _level, body: told.append(body), clock=ticking())
    for name in ("L1", "L2"):
        key = service.create(name, service.node(name))
        service.fulfil(key)
        service.delete(key, works=name == "L1")
    history.way.catch(*told)
    assert history.events() == service.rows


def ticking() -> Callable[[], Any]:
    moments = iter(clock.now() + timedelta(milliseconds=n) for n in range(10_000))
    held: list[Any] = []

    def tick() -> Any:
        # A message and its row are told of one moment.
        held.append(next(moments))
        return held[-1]

    return tick
