"""Files of rule events: what is read, and what is refused with which code (spec orchestrate 15, 1 to 11)."""

from __future__ import annotations

import pytest

from tasks.constraints.xml import against_schema
from tasks.rules.event_file import SCHEMA, read_event
from tests.rule_ground import VMHOST, codes, event_text, rule

SIMPLE = '<trigger><eq fact="vmhost.online" value="true"/></trigger>'


def test_orchestrate_01_the_shipped_rule_is_read_unchanged() -> None:
    found, complaints = read_event(event_text(VMHOST), "vmhost")
    assert complaints == []
    assert found is not None
    assert (found.name, found.context.iterated, found.timing.mode) == ("vmhost", "vmhost", "rule")
    assert [path.name for path in found.facts] == ["vmhost.vm.count", "vmhost.resource.loadaverage"]


def test_orchestrate_02_context_and_trigger_are_needed_and_reset_is_not() -> None:
    assert codes(f"<event>{SIMPLE}</event>") == ["E203"]
    assert codes("<event><context><vmhost/></context></event>") == ["E203"]
    assert codes(event_text(SIMPLE)) == []
    assert rule(SIMPLE).timing.interval == 600


@pytest.mark.parametrize("section", ["<trigger/>", f"{SIMPLE}<reset/>", f"{SIMPLE}<reset> </reset>"])
def test_orchestrate_03_an_empty_section_is_refused(section: str) -> None:
    assert codes(event_text(section)) == ["E205"]


def test_orchestrate_04_sections_in_any_order_are_the_same() -> None:
    trigger, reset = VMHOST.split("<reset>")
    turned = f"<event><reset>{reset}{trigger}<context><vmhost/></context></event>"
    found, complaints = read_event(turned.encode(), "vmhost")
    assert complaints == []
    assert found is not None
    assert found.definition == rule(VMHOST).definition


@pytest.mark.parametrize(
    ("inner", "code", "place"),
    [
        ('<trigger>\n  <equals fact="vmhost.online" value="true"/></trigger>', "E201", (3, 3)),
        ('<trigger>\n <eq fact="vmhost.online" value="true" color="red"/></trigger>', "E202", (3, 2)),
        ('<trigger>\n<x:eq xmlns:x="urn:x" fact="vmhost.online" value="true"/></trigger>', "E207", (3, 1)),
        ("<trigger>\n    and also</trigger>", "E206", (3, 13)),
        ('<trigger><and><then><eq fact="vmhost.online" value="true"/></then></and></trigger>', "E201", (2, 43)),
        ('<trigger>\n <eq fact="vmhost.online" value="true"><and/></eq></trigger>', "E201", (3, 40)),
    ],
)
def test_orchestrate_05_what_is_unknown_is_refused_with_its_place(
    inner: str, code: str, place: tuple[int, int]
) -> None:
    _, [complaint] = read_event(event_text(inner), "x")
    assert (complaint.code, complaint.line, complaint.column) == (code, *place)


@pytest.mark.parametrize(
    "given", ["", ' value="true" factvalue="vmhost.enabled"', ' factvalue="vmhost.enabled" value=""']
)
def test_orchestrate_06_a_comparison_has_one_right_side(given: str) -> None:
    assert codes(event_text(f'<trigger><eq fact="vmhost.online"{given}/></trigger>')) == ["E301"]


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        ("<vmhost/><resource/>", ["E302"]),
        ('<vmhost/><repository id="x"/>', []),
        ('<vmhost id="h"/>', []),
        ('<vmhost group="g"/>', []),
        ('<vmhost id="h" group="g"/>', ["E302"]),
        ('<vmhost id=""/>', ["E302"]),
        ('<vmhost/><vmhost id="x"/>', ["E302"]),
        ("", ["E205"]),
        ("<vhost/>", ["E201"]),
    ],
)
def test_orchestrate_07_a_context_iterates_over_one_kind(context: str, expected: list[str]) -> None:
    found = codes(event_text(SIMPLE, context))
    assert found[:1] == expected


def test_orchestrate_08_a_fact_must_be_reachable_from_the_context() -> None:
    asked = '<trigger><gt fact="{}" value="1"/></trigger>'
    assert codes(event_text(asked.format("repository.freespace"))) == ["E306"]
    assert codes(event_text(asked.format("repository.freespace"), '<vmhost/><repository id="a"/>')) == []
    assert codes(event_text(asked.format("vmhost.resource.loadaverage"))) == []
    assert codes(event_text(asked.format("matrix.jobs.running"))) == []
    assert codes(event_text(asked.format("vmhost.nobody.knows"))) == ["W406"]
    assert codes(event_text(asked.format("planet.size"))) == ["E306"]


@pytest.mark.parametrize("name", ["SERVER_UP", "server_up", "EVENT_STORM", "vmhost.RESET"])
def test_orchestrate_09_a_name_of_catchments_own_is_refused(name: str) -> None:
    assert codes(event_text(SIMPLE), name) == ["E309"]


@pytest.mark.parametrize("name", ["9lives", "a b", "", "x" * 129])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    assert codes(event_text(SIMPLE), name) == ["E208"]


def test_a_name_in_the_file_is_that_of_the_file() -> None:
    assert codes(event_text(SIMPLE, name="x"), "x") == []
    assert codes(event_text(SIMPLE, name="y"), "x") == ["E208"]


def test_orchestrate_10_durations_of_the_same_length_are_the_same() -> None:
    hashes = {rule(SIMPLE, resetInterval=text).definition for text in ("600", "10m", "PT10M", "600s", " 600 ")}
    assert hashes == {rule(SIMPLE).definition}
    assert rule(SIMPLE, resetInterval="P1DT1H").timing.interval == 90_000


@pytest.mark.parametrize("text", ["0", "-5", "1.5", "P1M", "P1Y", "", "P", "PT", "PTS", "367d", "10x", "1e3", "٣"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    assert codes(event_text(SIMPLE, resetInterval=text)) == ["E208"]


def test_orchestrate_11_comments_and_blanks_change_nothing() -> None:
    plain = VMHOST.replace("\n", "").replace("  ", "")
    commented = VMHOST.replace("<reset>", "<!-- only\nthen -->\n\n<reset>")
    assert rule(plain).definition == rule(commented).definition == rule(VMHOST).definition


@pytest.mark.parametrize("mode", ["rule", "both", "either"])
def test_a_mode_without_its_parts_is_refused(mode: str) -> None:
    assert "E305" in codes(event_text(SIMPLE, resetMode=mode))


def test_both_needs_an_interval() -> None:
    assert codes(event_text(VMHOST, resetMode="both")) == ["E305"]


def test_orchestrate_47_an_interval_beside_a_reset_is_not_used_and_said_so() -> None:
    assert codes(event_text(VMHOST, resetInterval="60")) == ["W404"]
    assert rule(VMHOST, resetInterval="60").timing == rule(VMHOST).timing


@pytest.mark.parametrize(
    ("trigger", "reset", "flaps"),
    [
        (("gt", "2"), ("lt", ".5"), False),
        (("gt", "2"), ("le", "2"), False),
        (("gt", "2"), ("le", "2.1"), True),
        (("ge", "2"), ("le", "2"), True),
        (("eq", "2"), ("ne", "2"), False),
        (("lt", "2"), ("lt", "1"), True),
    ],
)
def test_a_rule_that_would_flap_is_warned_of(trigger: tuple[str, str], reset: tuple[str, str], flaps: bool) -> None:
    sections = [
        f'<{name}><{operator} fact="vmhost.vm.count" value="{value}"/></{name}>'
        for name, (operator, value) in (("trigger", trigger), ("reset", reset))
    ]
    assert codes(event_text("".join(sections))) == (["W401"] if flaps else [])


def test_every_file_that_is_read_fits_the_published_schema_and_others_do_not() -> None:
    nested = """<trigger><or><if><defined fact="vmhost.resource"/><then><gt fact="vmhost.vm.count" value="1"/></then>
    <else><not><eq fact="vmhost.name" value="a*" match="glob"/></not></else></if>
    <between fact="vmhost.vm.count" low="1" high="3"/></or></trigger>"""
    for good in (event_text(VMHOST), event_text(nested), event_text(SIMPLE, resetInterval="PT10M")):
        assert against_schema(good, SCHEMA) == []
    for bad in (b"<event/>", event_text("<trigger/>"), event_text(SIMPLE, resetInterval="0"), event_text(SIMPLE, "")):
        assert [one.code for one in against_schema(bad, SCHEMA)][:1] == ["E200"]
