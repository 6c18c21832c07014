"""Events of an engine become canonical events: type, object, parents, who, when, how grave."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from tasks.model.errors import BadPayload
from tasks.model.event import Identity, Normalised, source_of
from tasks.providers.ovirt.converter import OvirtConverter
from tasks.providers.ovirt.types import level_of, type_of
from tasks.providers.table import kinds
from workers.cli.convert import convert as convert_command

CONVERTER = OvirtConverter()
TABLES = Path(__file__).resolve().parents[3] / "../shared/corpus/tables"


def event(code: int | str = 32, **more: Any) -> dict[str, Any]:
    """An event as the engine writes it."""
    return {
        "id": "7999",
        "href": "/ovirt-engine/api/events/7999",
        "code": str(code),
        "severity": "normal",
        "origin": "oVirt",
        "time": 1_516_718_563_529,
        "description": "VM rhel7srv010 started on Host rhelh03.bit63.net",
        **more,
    }


def facts(body: Any) -> Normalised:
    [message] = CONVERTER.unwrap(json.dumps(body))
    return CONVERTER.convert(message)


def identity(body: Any) -> Identity:
    [message] = CONVERTER.unwrap(json.dumps(body))
    return CONVERTER.identify(message)


def link(name: str, ref: str | None = None, **more: Any) -> dict[str, Any]:
    return {name: {"href": f"/ovirt-engine/api/{name}s/{ref or name}", "id": ref or name, **more}}


def test_an_event_has_its_facts() -> None:
    body = event(32, **link("vm"), **link("host"), **link("cluster"), **link("data_center"), correlation_id="2f1c")
    assert facts(body) == Normalised(
        event_type="USER_RUN_VM",
        raw_event_type="USER_RUN_VM",
        message_id="7999@2018-01-23T14:42:43.529000Z",
        occurred_at=datetime(2018, 1, 23, 14, 42, 43, 529000, UTC),
        resource_kind="server",
        resource_id="vm",
        parents={"host": "host", "cluster": "cluster", "data_center": "data_center"},
        host="host",
        group="power",
        level="critical",
        chain_id="2f1c",
    )


def test_every_kind_of_provider_has_the_source_that_its_addresses_are_made_of() -> None:
    assert {name: kind.converter.source for name, kind in kinds().items()} == {n: source_of(n) for n in kinds()}
    assert CONVERTER.source == "RHEVM"


@pytest.mark.parametrize(
    ("code", "links", "kind"),
    [
        (32, ["vm", "template", "host"], "server"),
        (51, ["vm", "template", "cluster"], "template"),
        (251, ["template"], "template"),
        (51, ["vm", "cluster"], "server"),
        (12, ["host", "cluster"], "host"),
        (956, ["host", "storage_domain", "data_center"], "storage_domain"),
        (97, ["vm", "storage_domain"], "server"),
        (928, ["host", "cluster"], "cluster"),
        (1114, ["data_center"], "data_center"),
        (30, ["user"], None),
    ],
)
def test_event_is_about_the_object_that_its_type_speaks_of(code: int, links: list[str], kind: str | None) -> None:
    found = facts(event(code, **{k: v for name in links for k, v in link(name).items()}))
    assert found.resource_kind == kind
    assert kind not in found.parents
    assert "user" not in found.parents


def test_link_with_an_address_alone_names_its_object() -> None:
    assert facts(event(vm={"href": "/ovirt-engine/api/vms/abc/"})).resource_id == "abc"


def test_code_in_no_table_is_unknown_and_told_apart() -> None:
    found = facts(event(987_654, severity="warning", **link("vm")))
    assert (found.event_type, found.raw_event_type) == ("UNKNOWN", "UNKNOWN 987654")
    assert (found.group, found.level, found.resource_kind) == ("other", "warning", "server")


@pytest.mark.parametrize("code", [620, 600, 10452, 10453])
def test_several_codes_may_have_one_name(code: int) -> None:
    assert type_of(str(code)).name == "USER_HOST_MAINTENANCE"


@pytest.mark.parametrize(
    ("severity", "level"),
    [("normal", "detail"), ("warning", "warning"), ("error", "critical"), ("alert", "critical"), (None, "detail")],
)
def test_level_of_a_type_in_no_group_is_how_grave_the_engine_calls_it(severity: str | None, level: str) -> None:
    assert level_of(type_of("0"), severity) == level
    assert level_of(type_of("32"), severity) == "critical"


@pytest.mark.parametrize(
    ("description", "user", "actor"),
    [
        ("VM x was started by admin@internal-authz (Host: h1).", {"id": "u1"}, "admin@internal-authz"),
        ("VM x was stopped by jane.doe@corp.example.org.", {"id": "u1"}, "jane.doe@corp.example.org"),
        ("VM x started on Host h1", {"id": "u1"}, "u1"),
        ("VM x was started by admin@internal", {"id": "u1", "name": "erin"}, "erin"),
        ("VM x started on Host h1", None, None),
    ],
)
def test_actor_is_told_without_a_request(description: str, user: Any, actor: str | None) -> None:
    assert facts(event(description=description, user=user)).actor == actor


def test_words_of_somebody_else_name_no_actor() -> None:
    body = event(9000, origin="backup tool", description="done by admin@internal", user={"id": "u7"})
    assert facts(body).actor == "u7"


@pytest.mark.parametrize(
    ("code", "phase"), [(53, "end"), (119, "error"), (63, "end"), (37, "start"), (32, None), (1, None), (62, "start")]
)
def test_phase_is_read_from_the_name(code: int, phase: str | None) -> None:
    assert type_of(str(code)).phase == phase


def test_time_may_be_a_date_with_its_zone() -> None:
    assert facts(event(time="2018-01-23T15:42:43.529+01:00")).message_id == facts(event()).message_id


def test_same_number_at_another_time_is_another_event() -> None:
    assert identity(event()).message_id != identity(event(time=1_516_718_563_530)).message_id
    assert identity(event()).message_id == identity(event(description="said differently")).message_id


def test_event_without_a_number_or_a_time_is_known_by_its_content() -> None:
    first, second = identity(event(time=None)), identity(event(time=None, description="x"))
    assert first.message_id.startswith("sha256:")
    assert first.message_id != second.message_id
    assert identity(event(time=None)).message_id == first.message_id


def test_list_of_the_api_has_each_of_its_events() -> None:
    messages = CONVERTER.unwrap({"event": [event(), event(33, id="8000")]})
    assert [CONVERTER.convert(m).event_type for m in messages] == ["USER_RUN_VM", "USER_STOP_VM"]
    assert CONVERTER.unwrap({"event": []}) == []


@pytest.mark.parametrize("body", ["", "[]", "7", '{"fault": {"reason": "x"}}', "{", '{"event": {"x": 1}}'])
def test_body_that_is_no_event_is_refused(body: str) -> None:
    with pytest.raises(BadPayload):
        CONVERTER.unwrap(body)


def test_event_without_a_code_is_refused_and_its_neighbours_go_on() -> None:
    broken, good = CONVERTER.unwrap({"event": [{"id": "1"}, event()]})
    with pytest.raises(BadPayload, match="no code"):
        CONVERTER.convert(broken)
    assert CONVERTER.convert(good).event_type == "USER_RUN_VM"


def test_secrets_are_removed() -> None:
    body = event(description="init of vm with root_password=hunter2 done", custom_data='{"password": "hunter2"}')
    [message] = CONVERTER.unwrap(json.dumps(body))
    assert "hunter2" not in json.dumps(message.content)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(
    st.dictionaries(
        st.sampled_from(["id", "code", "time", "severity", "vm", "host", "user", "description", "event"]),
        JSON | st.dictionaries(st.sampled_from(["id", "href", "name"]), JSON),
    )
)
def test_any_json_is_an_event_or_a_bad_payload(body: dict[str, Any]) -> None:
    try:
        messages = CONVERTER.unwrap(json.dumps(body))
    except BadPayload:
        return
    for message in messages:
        found = CONVERTER.identify(message)
        assert found.message_id
        try:
            converted = CONVERTER.convert(message)
        except BadPayload:
            continue
        assert (converted.event_type, converted.resource_id) == (found.event_type, found.resource_id)


@pytest.mark.corpus
@pytest.mark.skipif(not TABLES.is_dir(), reason="the corpus beside the repository is absent")
def test_codes_and_groups_are_those_of_the_tables() -> None:
    table = json.loads((TABLES / "rhevm_event_codes.json").read_text())
    for row in table["codes"]:
        found = type_of(str(row["code"]))
        assert [found.name, [found.group, level_of(found, "normal")]] == [row["name"], row["timeline"]]
    groups = json.loads((TABLES / "event_groups.json").read_text())["groups"]
    grouped: dict[str, str] = {}
    for group, each in groups.items():
        for name in each.get("rhevm", {}).get("critical", ()):
            grouped.setdefault(name, group)
    names = {type_of(str(row["code"])).name: type_of(str(row["code"])).group for row in table["codes"]}
    assert {name: group for name, group in names.items() if group != "other"} == grouped
    assert (len(table["codes"]), len(names), len(grouped)) == (1072, 1069, 399)


def test_convert_command_takes_saved_answers_of_the_api(tmp_path: Path) -> None:
    file = tmp_path / "events"
    file.write_text(json.dumps({"event": [event(), event(33, id="8000")]}) + "\n" + json.dumps({"x": 1}) + "\n")
    result = CliRunner().invoke(convert_command, ["--type", "ovirt", str(file)])
    rows = [json.loads(line) for line in result.output.splitlines()]
    assert result.exit_code == 1
    assert [row.get("event_type") for row in rows] == ["USER_RUN_VM", "USER_STOP_VM", None]
    assert rows[2]["line"] == 2
