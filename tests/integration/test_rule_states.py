"""The states of rule events, from real fact writes with a clock that is set (spec orchestrate 6 and 15, 41 to 63)."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select
from structlog.testing import capture_logs

from tasks.conveyor.firing import builtin
from tasks.ledger import facts as facts_module
from tasks.ledger import rules as ledger_rules
from tasks.ledger.events import Event, Place
from tasks.ledger.facts import FactRef
from tasks.ledger.rules import RuleNote, RuleState
from tasks.ledger.session import Ledger
from tasks.rules import evaluate
from tasks.rules.event_file import read_event
from tests.ground import count
from tests.rule_ground import ALWAYS, VMHOST, Stand, event_text, rule

#: Load at each pass of table A, and what has been told by then.
TABLE_A = [
    (0, 1.0, 0), (30, 2.0, 0), (60, 2.1, 1), (90, 3.5, 1), (120, 1.9, 1), (150, 0.5, 1), (180, 2.6, 1),
    (210, 0.49, 1), (240, 0.3, 1), (270, 2.2, 2),
]  # fmt: skip


@pytest.fixture
def stand(ledger: Ledger) -> Stand:
    made = Stand(ledger, rule(VMHOST))
    made.write("vmhost/h", vm__count=3, resource="r")
    return made


def test_orchestrate_41_table_A_fires_at_60_and_270_alone(stand: Stand) -> None:
    seen = []
    for at, load, _ in TABLE_A:
        stand.at(at)
        stand.write("resource/r", loadaverage=load)
        stand.changed()
        seen.append((at, len(stand.told())))
    assert seen == [(at, told) for at, _, told in TABLE_A]
    assert stand.times() == [60, 270]


def test_table_A_is_the_same_where_sweeps_alone_look(ledger: Ledger) -> None:
    stand = Stand(ledger, rule(VMHOST))
    stand.write("vmhost/h", vm__count=3, resource="r")
    for at, load, _ in TABLE_A:
        stand.at(at)
        stand.write("resource/r", loadaverage=load)
        stand.sweep()
    assert stand.times() == [60, 270]


def test_orchestrate_42_table_B_without_reset_it_fires_each_ten_minutes(ledger: Ledger) -> None:
    stand = Stand(ledger, rule(ALWAYS))
    stand.write("vmhost/h", online=True)
    for at in range(0, 1230, 30):
        stand.at(at)
        stand.sweep()
    assert stand.times() == [0, 600, 1200]


def test_orchestrate_43_table_C_599_is_silent_and_600_fires(ledger: Ledger) -> None:
    stand = Stand(ledger, rule(ALWAYS))
    truth = {0: True, 300: False, 570: True, 1200: False, 1260: True}
    for at in sorted({*range(0, 1290, 30), 599}):
        stand.at(at)
        if at in truth:
            stand.write("vmhost/h", online=truth[at])
        stand.sweep()
        if at == 599:
            assert stand.times() == [0]
    assert stand.times() == [0, 600, 1260]


def test_table_D_a_reset_rule_waits_while_its_fact_is_missing(stand: Stand) -> None:
    for at, load in [(0, 3.0), (30, None), (60, None), (90, 0.2), (120, 3.0)]:
        stand.at(at)
        stand.write("resource/r", loadaverage=load)
        stand.changed()
        assert stand.state() == {0: "fired", 30: "fired", 60: "fired", 90: "armed", 120: "fired"}[at]
    assert stand.times() == [0, 120]


def test_orchestrate_44_an_interval_arms_it_silently(ledger: Ledger) -> None:
    stand = Stand(ledger, rule(ALWAYS, resetInterval="60"))
    stand.write("vmhost/h", online=True)
    stand.sweep()
    stand.at(30)
    stand.write("vmhost/h", online=False)
    stand.changed()
    assert stand.state() == "fired"
    stand.at(60)
    assert stand.changed() == 1, "the deadline alone leads to a pass"
    assert (stand.state(), stand.times()) == ("armed", [0])


def test_orchestrate_45_and_46_a_missing_fact_holds_a_reset_rule_and_not_a_timeout(ledger: Ledger) -> None:
    stand = Stand(ledger, rule(VMHOST), rule('<trigger><gt fact="vmhost.vm.count" value="0"/></trigger>', stem="timed"))
    stand.write("vmhost/h", vm__count=1, resource="r")
    stand.write("resource/r", loadaverage=9)
    stand.sweep()
    stand.at(30)
    stand.write("resource/r", loadaverage=None)
    stand.write("vmhost/h", vm__count=None)
    for at in range(30, 690, 30):
        stand.at(at)
        stand.sweep()
    assert stand.state() == "fired"
    assert (stand.state("timed"), stand.times("timed")) == ("armed", [0])


BOTH = VMHOST.replace("</event>", "")


@pytest.mark.parametrize(
    ("mode", "armed_at"),
    [("rule", 10), ("either", 10), ("timeout", 60), ("both", 60)],
)
def test_orchestrate_48_each_mode_arms_it_in_its_own_way(ledger: Ledger, mode: str, armed_at: int) -> None:
    stand = Stand(ledger, rule(BOTH, resetInterval="60", resetMode=mode))
    stand.write("vmhost/h", vm__count=1, resource="r")
    stand.write("resource/r", loadaverage=9)
    stand.sweep()
    stand.at(10)
    stand.write("resource/r", loadaverage=0.1)
    stand.changed()
    assert stand.state() == ("armed" if armed_at == 10 else "fired")
    stand.at(60)
    stand.changed()
    assert (stand.state(), stand.times()) == ("armed", [0])


def test_either_is_armed_by_time_where_its_reset_does_not_hold(ledger: Ledger) -> None:
    stand = Stand(ledger, rule(BOTH, resetInterval="60", resetMode="either"))
    stand.write("vmhost/h", vm__count=1, resource="r")
    stand.write("resource/r", loadaverage=9)
    stand.sweep()
    stand.at(60)
    stand.changed()
    assert stand.times() == [0, 60]


def test_both_holds_while_its_reset_does_not_hold_any_more_at_the_interval(ledger: Ledger) -> None:
    stand = Stand(ledger, rule(BOTH, resetInterval="60", resetMode="both"))
    stand.write("vmhost/h", vm__count=1, resource="r")
    for at, load in [(0, 9), (10, 0.1), (60, 1.0), (90, 0.1)]:
        stand.at(at)
        stand.write("resource/r", loadaverage=load)
        stand.changed()
        assert stand.state() == ("armed" if at == 90 else "fired")


def test_orchestrate_49_reset_and_trigger_in_one_pass_is_a_reset_alone(ledger: Ledger) -> None:
    inner = (
        '<trigger><gt fact="vmhost.vm.count" value="1"/></trigger><reset><gt fact="vmhost.vm.count" value="0"/></reset>'
    )
    _, complaints = read_event(event_text(inner), "flaps")
    assert [one.code for one in complaints] == ["W401"]
    stand = Stand(ledger, rule(inner, stem="flaps"))
    stand.write("vmhost/h", vm__count=5)
    seen = []
    for at in (0, 30, 60, 90):
        stand.at(at)
        stand.sweep()
        seen.append(stand.state("flaps"))
    assert seen == ["fired", "armed", "fired", "armed"]
    assert stand.times() == [0, 60]


def test_orchestrate_50_each_object_has_its_own_state(ledger: Ledger) -> None:
    stand = Stand(ledger, rule(VMHOST))
    for name in "ab":
        stand.write(f"vmhost/{name}", vm__count=1, resource=f"r{name}")
        stand.write(f"resource/r{name}", loadaverage=9)
    stand.sweep()
    stand.at(30)
    stand.write("resource/ra", loadaverage=0.1)
    stand.changed()
    assert (stand.state(key="a"), stand.state(key="b")) == ("armed", "fired")
    stand.at(60)
    stand.write("resource/ra", loadaverage=9)
    stand.changed()
    assert [one["context"] for one in stand.told()] == [{"vmhost": ["a", "b"]}, {"vmhost": ["a"]}]


def test_orchestrate_51_an_object_that_comes_back_is_a_new_one(stand: Stand) -> None:
    stand.write("resource/r", loadaverage=9)
    stand.sweep()
    with stand.ledger.transaction() as session:
        facts_module.forget(session, [FactRef("vmhost", "h")])
    assert count(stand.ledger, RuleState) == 0
    stand.at(30)
    stand.write("vmhost/h", vm__count=3, resource="r")
    stand.changed()
    assert stand.times() == [0, 30]


def test_orchestrate_52_state_and_notification_are_written_together_or_not_at_all(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand.write("resource/r", loadaverage=9)

    def die(*_: Any) -> None:
        raise RuntimeError("killed between firing and the commit")

    with monkeypatch.context() as patched:
        patched.setattr(evaluate.Count, "write", die)
        with pytest.raises(RuntimeError):
            stand.changed()
    assert (count(stand.ledger, RuleState), count(stand.ledger, Event)) == (0, 0)
    stand.changed()
    stand.changed()
    stand.sweep()
    assert (stand.state(), len(stand.told()), count(stand.ledger, Place)) == ("fired", 1, 1)


def test_orchestrate_53_after_a_long_stop_it_fires_once(ledger: Ledger) -> None:
    stand = Stand(ledger, rule(ALWAYS))
    stand.write("vmhost/h", online=True)
    stand.sweep()
    for at in (1800, 1801, 1830):
        stand.at(at)
        stand.changed()
        stand.sweep()
    assert stand.times() == [0, 1800]


def test_orchestrate_54_a_changed_rule_is_armed_and_a_described_one_stands(ledger: Ledger) -> None:
    stand = Stand(ledger, rule(VMHOST))
    stand.write("vmhost/h", vm__count=1, resource="r")
    stand.write("resource/r", loadaverage=9)
    stand.sweep()
    described = rule(VMHOST.replace("/>", ' reason="too much"/>', 1), description="Says more")
    told = Stand(ledger, described)
    told.at(30)
    told.sweep()
    assert (told.state(), told.times()) == ("fired", [0])
    changed = Stand(ledger, rule(VMHOST.replace('value="2"', 'value="20"')))
    changed.at(60)
    changed.sweep()
    assert (changed.state(), changed.times()) == ("armed", [0])


def test_a_rule_that_is_taken_away_leaves_no_state(stand: Stand) -> None:
    stand.write("resource/r", loadaverage=9)
    stand.sweep()
    Stand(stand.ledger).sweep()
    assert count(stand.ledger, RuleState) == 0


def test_orchestrate_55_what_holds_already_can_be_passed_over(ledger: Ledger) -> None:
    stand = Stand(ledger, rule(VMHOST, initial="arm"))
    stand.write("vmhost/h", vm__count=1, resource="r")
    for at, load in [(0, 9), (30, 9), (60, 0.1), (90, 9)]:
        stand.at(at)
        stand.write("resource/r", loadaverage=load)
        stand.sweep()
    assert stand.times() == [90]


def test_orchestrate_56_a_trigger_must_hold_for_its_time(ledger: Ledger) -> None:
    stand = Stand(ledger, rule(ALWAYS, **{"for": "60s"}))
    for at, online in [(0, True), (30, False), (60, True), (90, True)]:
        stand.at(at)
        stand.write("vmhost/h", online=online)
        stand.changed()
    assert (stand.state(), stand.times()) == ("pending", [])
    stand.at(120)
    stand.changed()
    assert (stand.state(), stand.times()) == ("fired", [120])


def test_a_reset_must_hold_for_its_time(ledger: Ledger) -> None:
    stand = Stand(ledger, rule(VMHOST, keepFiringFor="60s"))
    stand.write("vmhost/h", vm__count=1, resource="r")
    for at, load in [(0, 9), (10, 0.1), (40, 1.0), (50, 0.1), (100, 0.1)]:
        stand.at(at)
        stand.write("resource/r", loadaverage=load)
        stand.changed()
        assert stand.state() == "fired", at
    stand.at(110)
    stand.changed()
    assert stand.state() == "armed"


def test_orchestrate_57_a_clock_that_is_set_back_leads_to_no_burst(ledger: Ledger) -> None:
    stand = Stand(ledger, rule(ALWAYS, resetInterval="60"))
    stand.write("vmhost/h", online=True)
    stand.at(3600)
    stand.sweep()
    for at in range(0, 3600, 300):
        stand.at(at)
        stand.sweep()
        stand.changed()
    assert stand.times() == [3600]


def test_orchestrate_59_a_disabled_rule_is_not_asked_until_it_is_enabled(stand: Stand) -> None:
    with stand.ledger.transaction() as session:
        ledger_rules.switch(session, "vmhost", False, stand.now, "kim")
    stand.write("resource/r", loadaverage=9)
    assert (stand.changed(), stand.sweep(), stand.told()) == (0, 0, [])
    with stand.ledger.transaction() as session:
        ledger_rules.switch(session, "vmhost", True, stand.now, "kim")
    stand.at(30)
    stand.sweep()
    assert stand.times() == [30]


def test_orchestrate_60_a_reset_by_hand_is_noted_and_lets_it_fire_again(stand: Stand) -> None:
    stand.write("resource/r", loadaverage=9)
    stand.sweep()
    stand.at(30)
    with stand.ledger.transaction() as session:
        assert ledger_rules.reset(session, "vmhost", stand.now, "kim", "h") == 1
    stand.sweep()
    assert stand.times() == [0, 30]
    with stand.ledger.reading() as session:
        [note] = session.scalars(select(RuleNote)).all()
        assert (note.event, note.by, note.what, note.detail) == ("vmhost", "kim", "reset", "h")


def test_orchestrate_61_one_notification_names_all_objects_of_a_pass(ledger: Ledger) -> None:
    stand = Stand(ledger, rule(ALWAYS))
    for name in ("c", "a", "b"):
        stand.write(f"vmhost/{name}", online=True)
    stand.sweep()
    [told] = stand.told()
    assert told["context"] == {"vmhost": ["a", "b", "c"]}
    assert told["objects"] == [{"type": "vmhost", "id": name} for name in "abc"]
    assert (told["kind"], told["name"], told["severity"]) == ("rule", "vmhost", "info")
    assert told["cause"]["a"] == {"vmhost.online": True}
    stand.at(1)
    stand.write("vmhost/d", online=True)
    stand.changed()
    assert stand.told()[-1]["context"] == {"vmhost": ["d"]}


def test_orchestrate_62_each_object_can_have_a_notification_of_its_own(ledger: Ledger) -> None:
    stand = Stand(ledger, rule(ALWAYS, context='<vmhost/><repository id="nas1"/>', notify="each"))
    for name in "abc":
        stand.write(f"vmhost/{name}", online=True)
    stand.sweep()
    assert [one["context"] for one in stand.told()] == [{"vmhost": name, "repository": "nas1"} for name in "abc"]


def test_a_reset_is_told_where_the_rule_says_so(ledger: Ledger) -> None:
    stand = Stand(ledger, rule(VMHOST, notifyReset="true"))
    stand.write("vmhost/h", vm__count=1, resource="r")
    for at, load in [(0, 9), (30, 0.1)]:
        stand.at(at)
        stand.write("resource/r", loadaverage=load)
        stand.changed()
    assert [(one["name"], one["at"]) for one in stand.told()] == [("vmhost", 0), ("vmhost.RESET", 30)]


def test_orchestrate_63_a_built_in_context_has_its_object_alone(ledger: Ledger) -> None:
    stand = Stand(ledger)
    with ledger.transaction() as session:
        counted = evaluate.Count()
        told = builtin("VMHOST_REMOVED", FactRef("vmhost", "h"), {"facts": {"vmhost.vm.count": 3}})
        evaluate.fire(session, stand.settings, stand.now, counted, [told])
        counted.write(session)
    [words] = stand.told()
    assert words["context"] == {"vmhost": "h"}
    assert words["event"] == {"facts": {"vmhost.vm.count": 3}}


def test_a_context_of_fixed_objects_is_asked_once_a_pass(ledger: Ledger) -> None:
    stand = Stand(ledger, rule(ALWAYS, context='<vmhost id="h"/>'))
    assert stand.sweep() == 1, "the object need not be there"
    stand.write("vmhost/h", online=True)
    assert stand.changed() == 1
    assert [one["context"] for one in stand.told()] == [{"vmhost": "h"}]
    assert stand.state(key="") == "fired"


def test_a_group_narrows_the_objects(ledger: Ledger) -> None:
    stand = Stand(ledger, rule(ALWAYS, context='<vmhost group="blue"/>'))
    stand.write("vmhost/a", online=True, groups=["red"])
    stand.write("vmhost/b", online=True, groups=["red", "blue"])
    assert stand.sweep() == 1
    stand.at(30)
    stand.write("vmhost/a", groups=["blue"])
    stand.changed()
    assert [one["context"] for one in stand.told()] == [{"vmhost": ["b"]}, {"vmhost": ["a"]}]


def test_orchestrate_58_a_fact_write_asks_only_what_depends_on_it(ledger: Ledger) -> None:
    others = [rule('<trigger><gt fact="vmhost.memory.free" value="0"/></trigger>', stem=f"other{n}") for n in range(5)]
    stand = Stand(ledger, rule(VMHOST), *others)
    for n in range(20):
        stand.write(f"vmhost/h{n}", vm__count=1, resource=f"r{n}", memory__free=-1)
        stand.write(f"resource/r{n}", loadaverage=1)
    stand.changed()
    stand.write("resource/r7", loadaverage=1.5)
    assert stand.changed() == 1
    stand.write("vmhost/h7", memory__free=-2)
    assert stand.changed() == 5
    stand.write("vmhost/h7", name="nobody looks at it")
    assert stand.changed() == 0
    stand.write("vmhost/h7", memory__free=-2)
    assert stand.changed() == 0, "the same value is no change"


def test_orchestrate_75_a_storm_is_stored_and_not_told(ledger: Ledger) -> None:
    stand = Stand(ledger, rule(ALWAYS, notify="each"))
    for n in range(500):
        stand.write(f"vmhost/h{n:03}", online=True)
    with capture_logs() as logs:
        stand.sweep()
    assert [(line["event"], line["name"]) for line in logs] == [("EVENT_STORM", "vmhost")]
    told = stand.told()
    assert len(told) == 500
    assert sum(one.get("suppressed", False) for one in told) == 400
    assert count(ledger, Place) == 100
    stand.at(61)
    stand.write("vmhost/later", online=True)
    stand.changed()
    assert count(ledger, Place) == 101
