"""ESI Leap's events all the way: caught once, told to scripts once, and what the listener could not do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import text

from examples.esi.running import LeapApi
from tasks.conveyor.wanted import FULL, Wish, want
from tasks.ledger import why
from tasks.ledger.effects import DEAD, DONE, Effect
from tasks.ledger.esi import EsiEvent
from tasks.ledger.events import FINISHED, DeadLetter, Sighting
from tasks.ledger.inventory import InventoryObject, RefreshTarget
from tasks.ledger.session import Ledger
from tasks.model import clock
from tasks.refresh.refresher import refresh
from tests.ground import Clock, exact
from tests.leap_way import PROVIDERS, LeapWay, write
from tests.unit.alert.test_script_files import EXAMPLE
from tests.unit.esi_leap.leap_ground import AT, END, LEASE, NODE, captured, message

DELETED = "esi_leap.lease.delete.end"
SIMPLE = f"[one]\nevents = {END}\nscript = note.sh\nscript_params = name\n"


@pytest.mark.corpus
def test_check_01_each_captured_message_is_stored_once(ledger: Ledger, tmp_path: Path, corpus: Path) -> None:
    way = LeapWay(ledger, tmp_path, SIMPLE, "note.sh")
    bodies = [each["body_raw"] for each in captured(corpus)]
    assert way.catch(*bodies).stored == 6
    assert way.catch(*bodies).duplicate == 6
    assert {event.state for event in way.events()} == {FINISHED}
    assert len({event.event_type for event in way.events()}) == 6
    line = exact(ledger)["esi"]
    assert (line.received, line.stored, line.duplicate, line.finished) == (12, 6, 6, 6)


def test_check_03_the_published_example_runs_its_scripts_with_a_hostile_name_unchanged(
    ledger: Ledger, tmp_path: Path
) -> None:
    conf = EXAMPLE.replace("node_name,fulfill_time", "name,fulfill_time,node_name")
    way = LeapWay(ledger, tmp_path, conf, "fulfill.sh", "delete.sh")
    way.catch(message(END, name="L3 $(touch pwned)", properties={"vendor": "foobar"}), message(END, purpose="other"))
    way.catch(message(DELETED, name='"; touch pwned #'))
    assert way.effects() == 2
    assert [(run["name"], run["arguments"]) for run in way.runs()] == [
        ("fulfill.sh", ["L3 $(touch pwned)", "", "node-a"]),
        ("delete.sh", ["node-a", ""]),
    ]
    assert way.runs()[0]["values"] == {"name": "L3 $(touch pwned)", "fulfill_time": "", "node_name": "node-a"}
    assert way.runs()[0]["variables"]["EVENT_NAME"] == "L3 $(touch pwned)"
    assert not list(tmp_path.rglob("pwned*"))


def test_check_04_a_message_that_comes_again_after_the_commit_has_one_effect(ledger: Ledger, tmp_path: Path) -> None:
    way = LeapWay(ledger, tmp_path, SIMPLE, "note.sh")
    body = message(END, message_id="m-1")
    for _ in range(3):
        way.catch(body)
        way.effects()
    assert len(way.runs()) == 1
    assert [effect.state for effect in way.rows(Effect)] == [DONE]


def test_check_06_both_formats_are_one_event_and_the_token_is_nowhere(ledger: Ledger, tmp_path: Path) -> None:
    way = LeapWay(ledger, tmp_path, SIMPLE, "note.sh")
    token = "gAAAAABm-the-callers-own-token-0123456789-0123456789-0123456789"
    bodies = []
    for envelope in (True, False):
        whole = json.loads(message(END, envelope=envelope, message_id="m-1"))
        inner = json.loads(whole["oslo.message"]) if envelope else whole
        inner["_context_auth_token"] = token
        bodies.append(json.dumps({**whole, "oslo.message": json.dumps(inner)} if envelope else inner))
    stored = way.catch(*bodies)
    way.effects()
    assert (stored.stored, stored.duplicate) == (1, 1)
    assert len(way.runs()) == 1
    with ledger.reading() as session:
        kept = session.execute(text("SELECT content FROM notification")).scalars().all()
        effects = session.execute(text("SELECT params FROM effect")).scalars().all()
        story = why.why(session, way.events()[0].id)
    assert story is not None
    everything = "".join(map(str, (kept, effects, story.as_dict(), (tmp_path / "runs").read_text())))
    assert "the-callers-own-token" not in everything


def test_a_message_and_its_row_of_the_history_are_one_event(ledger: Ledger, tmp_path: Path) -> None:
    way = LeapWay(ledger, tmp_path, SIMPLE, "note.sh")
    row = {"id": 4, "event_type": END, "event_time": AT.replace(tzinfo=None, microsecond=900).isoformat(),
           "object_type": "lease", "object_uuid": LEASE, "resource_uuid": NODE}  # fmt: skip
    way.catch(message(END))
    stored = way.catch(row)
    assert (stored.stored, stored.duplicate) == (0, 1)
    assert [sighting.message_id for sighting in way.rows(Sighting)] == ["event:4"]


def test_a_missing_key_skips_its_section_with_a_reason_in_why(ledger: Ledger, tmp_path: Path) -> None:
    conf = f"[lost]\nevents = {END}\nscript = note.sh\nscript_params = properties.none\n" + SIMPLE
    way = LeapWay(ledger, tmp_path, conf, "note.sh")
    way.catch(message(END))
    assert way.effects() == 1
    with ledger.reading() as session:
        told = why.why(session, way.events()[0].id)
    assert told is not None
    findings = [f for d in told.decisions if d.stage == "alert" for f in d.findings]
    assert [(f["name"].rpartition(":")[2], f["verdict"]) for f in findings] == [("lost", "skipped"), ("one", "asked")]
    assert findings[0]["detail"]["reason"] == "the event has no properties.none, which script_params names"


def test_a_script_that_fails_is_tried_again_with_its_output_kept(ledger: Ledger, tmp_path: Path, hands: Clock) -> None:
    way = LeapWay(ledger, tmp_path, SIMPLE, "note.sh")
    body = '#!/bin/sh\necho "look at $1"\ntest -e tried && exit 0\ntouch tried\necho no >&2\nexit 3\n'
    write(tmp_path / "actions/note.sh", body, 0o755)
    way.catch(message(END))
    assert way.effects() == 1
    assert way.effects() == 0
    hands.forward(5)
    assert way.effects() == 1
    first, second = way.tries()
    assert (first.verdict, first.detail["exit"], first.detail["stdout"]) == ("again", 3, "look at L1\n")
    assert "ended with exit code 3" in (first.summary or "")
    assert first.detail["stderr"] == "no\n"
    assert (second.verdict, second.detail["stdout"]) == ("done", "look at L1\n")


def test_a_script_that_hangs_is_ended_with_its_group(ledger: Ledger, tmp_path: Path) -> None:
    way = LeapWay(ledger, tmp_path, SIMPLE + "timeout_seconds = 0.3\n", "note.sh",
                  toml="[effects]\nattempts = 1\n")  # fmt: skip
    write(tmp_path / "actions/note.sh", "#!/bin/sh\nsleep 60 & echo $! > child\nwait\n", 0o755)
    way.catch(message(END))
    way.effects()
    [effect] = way.rows(Effect)
    assert effect.state == DEAD
    assert "was ended after 0.3 s" in (effect.error or "")
    child = int((tmp_path / "child").read_text())
    status = Path(f"/proc/{child}/stat")
    assert not status.exists() or status.read_text().split()[2] == "Z"


def test_junk_on_the_queue_is_kept_and_holds_nothing_up(ledger: Ledger, tmp_path: Path) -> None:
    way = LeapWay(ledger, tmp_path, SIMPLE, "note.sh")
    stored = way.catch(b"junk", b"{}", message(END), '{"event_type": "x", "payload": null}')
    way.effects()
    assert stored.stored == 4
    assert len(way.runs()) == 1
    assert len(way.rows(DeadLetter)) == 3
    exact(ledger)


def test_a_lease_event_has_its_lease_read_from_the_service(ledger: Ledger, tmp_path: Path) -> None:
    with LeapApi() as api:
        node = api.state.node("node-a", uuid=NODE)
        api.state.create("L1", node, uuid=LEASE)
        write(tmp_path / "clouds.yaml", api.clouds_yaml())
        providers = PROVIDERS.replace("inventory: none", "cloud: esi")
        way = LeapWay(ledger, tmp_path, SIMPLE, "note.sh", providers=providers, toml="[refresh]\nsettle_seconds = 0\n")
        way.catch(message(END))
        assert {(t.kind, t.ref) for t in way.rows(RefreshTarget)} == {("lease", LEASE), ("node", NODE)}
        api.state.fulfil(LEASE)
        refresh(way.present)
        found = {row.kind: row for row in way.rows(InventoryObject)}
        assert found["lease"].attributes["status"] == "active"
        assert found["node"].attributes["lease_uuid"] == LEASE
        assert found["lease"].tenant_id == api.state.leases[LEASE]["project_id"]


def test_all_leases_and_nodes_are_read_at_first_sight(ledger: Ledger, tmp_path: Path) -> None:
    with LeapApi() as api:
        api.state.create("L1", api.state.node("node-a", uuid=NODE), uuid=LEASE)
        write(tmp_path / "clouds.yaml", api.clouds_yaml())
        providers = PROVIDERS.replace("inventory: none", "cloud: esi")
        way = LeapWay(ledger, tmp_path, SIMPLE, "note.sh", providers=providers)
        with ledger.transaction() as session:
            want(session, [Wish(way.provider_id, FULL, None)], clock.now(), settle=0)
        refresh(way.present)
        assert {(row.kind, row.ref) for row in way.rows(InventoryObject)} == {("lease", LEASE), ("node", NODE)}


def test_a_policy_and_an_alert_see_the_same_events(ledger: Ledger, tmp_path: Path) -> None:
    alert = (
        "alerts:\n  - name: ended\n    on: [esi_leap.lease.delete.end]\n"
        '    description: "${event.details.name} of ${event.tenant_id} ended at ${event.details.end_time}"\n'
        "    when: {field: event.details.purpose, is: test}\n"
    )
    write(tmp_path / "alerts/a.yaml", alert)
    way = LeapWay(ledger, tmp_path, SIMPLE, "note.sh")
    way.catch(message(DELETED, name="L9"))
    with ledger.reading() as session:
        summary = session.execute(text("SELECT summary FROM incident")).scalar_one()
    assert summary.startswith("L9 of 3e3fe276219f4692931f6c96988b135f ended at 2031-05-04")


@pytest.mark.parametrize("fuse", ["never", "always"])
def test_facts_of_a_lease_survive_from_stage_to_stage(ledger: Ledger, tmp_path: Path, fuse: str) -> None:
    way = LeapWay(ledger, tmp_path, SIMPLE, "note.sh", toml=f'[conveyor]\nfuse = "{fuse}"\n')
    way.catch(message(END, name="L7"))
    [event] = way.events()
    assert event.details is not None
    assert (event.details["name"], event.details["end_time"]) == ("L7", "2031-05-04T14:00:00.000000Z")
    assert [row.lessee_id for row in way.rows(EsiEvent)] == [event.tenant_id]
