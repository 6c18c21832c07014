"""Schedules, triggers and policies of jobs: what they say, and what is refused with its code and line."""

from __future__ import annotations

import random
import re
import tracemalloc
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path

import pytest

from tasks.constraints.xml import against_schema
from tasks.jobs import packaged
from tasks.jobs.model import OnCron, OnEvent, OnTime, Schedule
from tasks.jobs.packaged import archives
from tasks.jobs.read import read
from tasks.jobs.schedules import write_schedule
from tasks.site.contracts import SiteContext
from tasks.site.settings import Settings
from tests.job_ground import CONTEXT, archive, code_of, codes, good_site, read_site, schedule, trigger

START = datetime(2031, 5, 4, 12, tzinfo=UTC)
WHOLE = b"""<?xml version="1.0" encoding="UTF-8"?>
<schedule name="nightly" description="Every night" active="true" overlap="skip">
  <runjob job="quiet" user="erin" priority="high"/>
  <jobargs>
    <fact name="count" type="Integer" value="3"/>
    <fact name="names" type="Array"><element value="a"/><element value="b"/></fact>
    <fact name="who" type="Dictionary"><dict name="user" value="foo"/><dict name="age" type="Integer" value="7"/></fact>
  </jobargs>
  <passuserenv/>
  <constraint type="start"><lt fact="matrix.jobs.running" value="5"/></constraint>
  <triggers><trigger name="at-two"/><trigger name="RESOURCE OFFLINE"/></triggers>
</schedule>
"""
OLD = b'<schedule><job name="a" job="quiet"><active/></job></schedule>'
AT_TWO = trigger("at-two", '<cron expr="0 0 2 * * ?" timezone="Europe/Berlin"/>')


def test_a_schedule_of_the_second_generation_is_read_whole() -> None:
    found = good_site({"quiet.job": archive("quiet"), "n.sched": WHOLE, "t.trig": AT_TWO}).schedules["nightly"]
    assert (found.job, found.user, found.priority, found.overlap, found.active) == (
        "quiet",
        "erin",
        "high",
        "skip",
        True,
    )
    assert found.arguments == {"count": 3, "names": ["a", "b"], "who": {"user": "foo", "age": 7}}
    assert list(found.constraints) == ["start"]
    assert against_schema(WHOLE, "schedule_2_0_0.xsd") == []


def test_orchestrate_73_the_spaced_name_of_an_event_is_read_and_written_back_with_an_underscore() -> None:
    found = good_site({"quiet.job": archive("quiet"), "n.sched": WHOLE, "t.trig": AT_TWO}).schedules["nightly"]
    assert found.triggers == ("at-two", "RESOURCE_OFFLINE")
    written = write_schedule(found)
    assert b'name="RESOURCE_OFFLINE"' in written
    again = good_site({"quiet.job": archive("quiet"), "n.sched": written, "t.trig": AT_TWO}).schedules["nightly"]
    assert again == Schedule(**{**_fields(found), "constraints": {}})


def _fields(found: Schedule) -> dict[str, object]:
    return {name: getattr(found, name) for name in Schedule.__slots__}


def test_orchestrate_79_a_schedule_of_a_job_that_is_not_deployed_is_refused() -> None:
    _, problems = read_site({"s.sched": schedule("s", "nowhere", "SERVER_UP")})
    assert [str(p) for p in problems] == [
        "jobs/s.sched:1: E308 the job nowhere is not deployed. "
        "Put nowhere.job into jobs/, or name one of: cpuInfo, osInfo."
    ]


def test_orchestrate_85_a_cron_mistake_names_file_line_field_and_range() -> None:
    bad = b'<trigger name="t">\n  <cron expr="0 0 3-39 * * ?"/>\n</trigger>'
    _, [problem] = read_site({"t.trig": bad})
    assert (problem.path, problem.line, problem.what) == (
        "jobs/t.trig",
        2,
        "column 3: E307 hours range 3-39 lies outside 0-23",
    )


def test_orchestrate_87_a_time_trigger_fires_first_then_each_interval_and_comes_to_its_end() -> None:
    way = good_site({"t.trig": trigger("t", '<time startin="5s" interval="10s" repeat="2"/>')}).triggers["t"].start
    assert isinstance(way, OnTime)
    moment, found = START, []
    while (after := way.after(moment, START)) is not None:
        moment = after
        found.append((after - START).total_seconds())
    assert found == [5, 15, 25]
    once = good_site({"t.trig": trigger("t", '<time startin="1m"/>')}).triggers["t"].start
    assert isinstance(once, OnTime)
    assert once.after(START, START) == START + timedelta(minutes=1)
    assert once.after(START + timedelta(minutes=1), START) is None
    ever = good_site({"t.trig": trigger("t", '<time interval="10s"/>')}).triggers["t"].start
    assert isinstance(ever, OnTime)
    assert ever.after(START + timedelta(days=300, seconds=3), START) == START + timedelta(days=300, seconds=10)


def test_orchestrate_89_a_schedule_of_the_first_generation_means_the_same() -> None:
    old = b"""<schedule>
      <job name="osInfo" job="osInfo" user="zosSystem" priority="high">
        <resourcediscovery/><active/><runonresourcestart/><runoneachresource/>
      </job>
    </schedule>"""
    shipped = good_site({}).schedules["osInfo"]
    converted = good_site({"osInfo.sched": old}).schedules["osInfo"]
    assert converted == Schedule(**{**_fields(shipped), "description": ""})


def test_the_first_generation_says_triggers_beside_its_jobs() -> None:
    old = b"""<schedule>
      <job name="a" job="quiet"><jobargs><fact name="n" type="Integer" value="2"/></jobargs>
        <runonserverstart/><triggers><trigger name="q"/></triggers></job>
      <job name="b" job="quiet"><active/><runoneachresource/></job>
      <trigger name="q"><cron value="0 0 1 * * ?"/></trigger>
      <trigger name="r"><startin value="5"/><interval value="10m"/><repeat value="3"/></trigger>
    </schedule>"""
    found = good_site({"quiet.job": archive("quiet"), "old.sched": old})
    assert (found.schedules["a"].triggers, found.schedules["a"].active) == (("q", "SERVER_UP"), False)
    assert (found.schedules["b"].foreach, found.schedules["b"].active) == (True, True)
    assert isinstance(found.triggers["q"].start, OnCron)
    assert found.triggers["r"].start == OnTime(timedelta(seconds=5), timedelta(minutes=10), 3)


def test_triggers_of_events_say_delay_and_whether_outsiders_may_fire_them() -> None:
    way = good_site({"t.trig": trigger("t", '<event name="backup" external="true" delay="30s"/>')}).triggers["t"].start
    assert way == OnEvent("backup", True, timedelta(seconds=30))


NO_NUMBER = '<fact name="n" type="Real" value="x"/>'
MISTAKES = [
    ("t.trig", trigger("t", '<cron expr="0 0 1 * *"/>'), "E307", "5 fields"),
    ("t.trig", trigger("t", '<cron expr="0 0 1 * * ?" timezone="Mars/Olympus"/>'), "E310", "Mars/Olympus"),
    ("t.trig", trigger("t", '<cron expr="0 0 1 1 1 ? 2002" end="2001-01-01"/>'), "E307", "end"),
    ("t.trig", trigger("t", '<time startin="-5"/>'), "E310", "startin"),
    ("t.trig", trigger("t", '<time startin="5s" repeat="3"/>'), "E310", "repeat without an interval"),
    ("t.trig", trigger("t", '<time interval="0"/>'), "E310", "interval"),
    ("t.trig", trigger("t", ""), "E203", "one way"),
    ("t.trig", trigger("t", '<time startin="1"/><time startin="2"/>'), "E203", "one way"),
    ("t.trig", trigger("server_up", '<cron expr="0 0 1 * * ?"/>'), "E309", "built-in"),
    ("t.trig", trigger("t", '<event name="RESOURCE_ONLINE" external="true"/>'), "E309", "nobody outside"),
    ("t.trig", trigger("1t", '<time startin="1"/>'), "E209", "name"),
    ("t.trig", trigger("t", '<tide at="high"/>'), "E201", "tide"),
    ("t.trig", b'<trigger name="t">now</trigger>', "E206", "text"),
    ("t.trig", b'<trigger name="t"', "E106", "no XML"),
    ("t.trig", b"<schedule/>", "E201", "schedule"),
    ("s.sched", schedule("s", "osInfo", overlap="never"), "E208", "never"),
    ("s.sched", schedule("s", "osInfo", inner='<constraint type="sometimes"><and/></constraint>'), "E208", "sometimes"),
    ("s.sched", schedule("s", "osInfo", inner='<constraint type="start"/>'), "E205", "empty"),
    ("s.sched", schedule("s", "osInfo", inner='<runjob job="osInfo"/>'), "E203", "second time"),
    ("s.sched", schedule("s", "osInfo", inner="<joke/>"), "E201", "joke"),
    ("s.sched", schedule("s", "osInfo", colour="red"), "E202", "colour"),
    ("s.sched", schedule("s", "osInfo", inner=f"<jobargs>{NO_NUMBER}</jobargs>"), "E303", "n is no"),
    ("s.sched", schedule("s", "osInfo", inner='<jobargs><fact name="n" type="Tensor"/></jobargs>'), "E208", "Tensor"),
    ("s.sched", b'<schedule name="s"/>', "E203", "runs a job"),
    ("s.sched", b"<schedule/>", "E203", "without a name"),
    ("s.sched", b"<trigger/>", "E201", "trigger"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "content", "code", "told"), MISTAKES)
def test_a_mistake_is_told_with_its_code_and_its_line(path: str, content: bytes, code: str, told: str) -> None:
    _, problems = read_site({path: content})
    errors = [p for p in problems if p.severity == "error"]
    assert [code_of(p) for p in errors] == [code]
    assert told in str(errors[0])
    assert errors[0].line == 1


def test_names_are_free_once_in_any_letter_case() -> None:
    twice = {"a.trig": trigger("Tick", '<time startin="1"/>'), "b.trig": trigger("tick", '<time startin="1"/>')}
    assert codes(twice) == ["E309"]
    assert codes({"a.sched": schedule("s", "osInfo"), "b.sched": schedule("S", "cpuInfo")}) == ["E309"]


def test_a_schedule_of_the_site_takes_the_place_of_the_shipped_one() -> None:
    found = good_site({"osInfo.sched": schedule("osInfo", "osInfo", active="false")})
    assert not found.schedules["osInfo"].active
    assert found.schedules["cpuInfo"].active


def test_a_job_of_the_site_takes_the_place_of_the_shipped_one() -> None:
    found = good_site({"osInfo.job": archive("osInfo")})
    assert found.jobs["osInfo"].description == ""
    assert "osInfo" not in found.schedules


def test_warnings_say_what_is_probably_not_meant() -> None:
    files = {"quiet.job": archive("quiet", policy=""), "s.sched": schedule("s", "quiet", "SERVER_UP", "no-such")}
    assert codes(files) == ["W407", "W408"]
    known = {"quiet.job": archive("quiet"), "s.sched": schedule("s", "quiet", "vm_start", "SERVER_UP")}
    assert codes(known) == []
    given = '<jobargs><fact name="colour" value="red"/></jobargs>'
    assert codes({"quiet.job": archive("quiet"), "s.sched": schedule("s", "quiet", inner=given)}) == ["W409"]


POLICIES = [
    ('<fact name="job.timeout" type="Integer" value="0"/>', "E303"),
    ('<fact name="job.timeout" type="String" value="9"/>', "E303"),
    ('<fact name="job.colour" value="red"/>', "E312"),
    ('<fact name="jobargs.context" type="String"/>', "E312"),
    ('<constraint type="vmhost"><and/></constraint>', "E208"),
    ('<constraint type="resource"><gt fact="resource.cpu.count"/></constraint>', "E301"),
]


@pytest.mark.parametrize(("policy", "code"), POLICIES)
def test_a_policy_that_cannot_be_is_refused(policy: str, code: str) -> None:
    assert codes({"quiet.job": archive("quiet", policy=policy)}) == [code]


def test_a_policy_sets_the_limits_and_the_arguments_of_its_job() -> None:
    policy = (
        '<fact name="job.timeout" type="Integer" value="60"/><fact name="job.attempts" type="Integer" value="1"/>'
        '<fact name="job.facts" type="Array"><element value="vmhost.groups"/></fact>'
        '<fact name="jobargs.n" type="Integer" value="4"/>'
        '<constraint type="resource"><eq fact="resource.os.family" value="linux"/></constraint>'
    )
    job = good_site({"quiet.job": archive("quiet", policy=policy + CONTEXT)}).jobs["quiet"]
    assert (job.timeout, job.attempts, job.writes, job.takes_context) == (60, 1, ("vmhost.groups",), True)
    assert job.arguments["n"].value == 4
    assert list(job.constraints) == ["resource"]


MODULES = [
    ("def f(:\n", "no Python"),
    ("x = 1\n", "0 job classes"),
    ("class A(Job):\n    def job_started_event(self): pass\nclass B(Job): pass\n", "2 job classes"),
    ("class A(Job):\n    pass\n", "job_started_event"),
    ("\0", "no Python"),
    ("(" * 5000, "no Python"),
]


@pytest.mark.parametrize(("text", "told"), MODULES)
def test_a_module_that_is_no_job_is_refused(text: str, told: str) -> None:
    _, problems = read_site({"quiet.job": archive("quiet", module=text)})
    assert [code_of(p) for p in problems] == ["E311"]
    assert told in problems[0].what


def test_nothing_of_a_module_is_run_when_a_site_is_checked(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    text = f"open({str(mark)!r}, 'w')\n" + "class A(Job):\n    def job_started_event(self): pass\n"
    good_site({"quiet.job": archive("quiet", module=text)})
    assert not mark.exists()


DANGEROUS = [
    b'<!DOCTYPE schedule><schedule name="s"/>',
    b'<!DOCTYPE s [<!ENTITY a "b">]><s>&a;</s>',
    b'<!DOCTYPE s SYSTEM "http://127.0.0.1:1/x.dtd"><s/>',
    b'<!DOCTYPE s [<!ENTITY % p SYSTEM "file:///etc/passwd"> %p;]><s/>',
    b"<s>&undeclared;</s>",
]


@pytest.mark.parametrize("content", DANGEROUS)
def test_orchestrate_100_a_doctype_is_refused_in_any_form(content: bytes) -> None:
    for path in ("s.sched", "t.trig"):
        [code] = codes({path: content})
        assert code in ("E101", "E106")
    assert codes({"quiet.job": archive("quiet", quiet_sched=content.decode())})[0] in ("E101", "E106")


def test_orchestrate_100_a_billion_laughs_costs_no_memory() -> None:
    lines = [f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12)]
    laughs = f'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY l0 "lol">{"".join(lines)}]><l>&l11;</l>'.encode()
    codes({"t.trig": laughs})
    tracemalloc.start()
    try:
        assert codes({"t.trig": laughs}) == ["E101"]
        assert tracemalloc.get_traced_memory()[1] < 5 * 2**20
    finally:
        tracemalloc.stop()


def test_orchestrate_101_another_encoding_or_size_is_refused() -> None:
    good = AT_TWO.decode()
    assert codes({"t.trig": good.encode("utf-16")}) == ["E102"]
    assert codes({"t.trig": b'<?xml version="1.0" encoding="latin-1"?>' + AT_TWO}) == ["E102"]
    assert codes({"t.trig": AT_TWO + b" " * (257 * 1024)}) == ["E103"]


def test_orchestrate_102_a_hint_at_a_schema_is_not_followed() -> None:
    hint = (
        b'<trigger xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
        b'xsi:noNamespaceSchemaLocation="http://127.0.0.1:1/x.xsd" name="t"><time startin="1"/></trigger>'
    )
    assert codes({"t.trig": hint}) == []


def test_orchestrate_105_ten_thousand_mutated_documents_give_clean_errors_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packaged, "archives", dict)
    chance = random.Random(7)
    seeds = {
        "sched": [WHOLE, archives_part("osInfo.sched"), OLD],
        "trig": [AT_TWO, trigger("t", '<time startin="5s" interval="10s"/>'), trigger("e", '<event name="x"/>')],
        "job": [archive("quiet", quiet_sched=WHOLE.decode(), t_trig=AT_TWO.decode())],
    }  # fmt: skip
    pieces = [b"<", b">", b'"', b"&lt;", b"<!DOCTYPE a>", b"\x00", b"\xff", b"</trigger>", b"0", b"-1", b"]]>", b"<a/>"]
    clean = re.compile(r"(?:column \d+: )?[EW][1-4]\d\d .+")
    refused = 0
    for number in range(10_000):
        kind = ("sched", "trig", "job")[number % 3]
        content = bytearray(chance.choice(seeds[kind]))
        for _ in range(chance.randint(1, 6)):
            at = chance.randrange(len(content) + 1)
            match chance.randrange(4):
                case 0:
                    content[at : at + chance.randint(1, 40)] = b""
                case 1:
                    content[at:at] = chance.choice(pieces)
                case 2:
                    content[at : at + 1] = bytes([chance.randrange(256)])
                case _:
                    start = chance.randrange(len(content) + 1)
                    content[at:at] = content[start : start + chance.randint(1, 60)]
        _, problems = read_site({f"quiet.{kind}": bytes(content)})
        for problem in problems:
            assert clean.match(problem.what), problem
            assert problem.mend
        refused += any(problem.severity == "error" for problem in problems)
    assert refused > 5000


def archives_part(name: str) -> bytes:
    return (resources.files("tasks.jobs") / "shipped" / name).read_bytes()


def test_shipped_jobs_fit_their_schemas() -> None:
    assert set(archives()) == {"osInfo", "cpuInfo"}
    for name in archives():
        assert against_schema(archives_part(f"{name}.sched"), "schedule_2_0_0.xsd") == []
        assert against_schema(archives_part(f"{name}.policy"), "job_policy_1_0_0.xsd") == []
    assert read_site({})[1] == []


def test_triggers_share_their_names_with_rule_events() -> None:
    context = SiteContext(Settings(), {}, {}, files=frozenset({"rules/hot.event"}))
    files = {
        "jobs/a.trig": trigger("HOT", '<time startin="1"/>'),
        "jobs/b.trig": trigger("b", '<event name="Hot" external="true"/>'),
        "jobs/c.trig": trigger("c", '<event name="hot" delay="5s"/>'),
        "jobs/s.sched": schedule("s", "osInfo", "hot"),
    }
    problems = read(files, context)[1]
    assert [(problem.path, code_of(problem)) for problem in problems] == [
        ("jobs/a.trig", "E309"),
        ("jobs/b.trig", "E309"),
    ]


def test_what_the_docs_show_can_be_used_as_it_stands() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "jobs.md").read_text(encoding="utf-8")
    [module] = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    [document] = re.findall(r"^```xml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    files = {
        "greeter.job": archive("greeter", module),
        "relieve.job": archive("relieve", policy=CONTEXT + '<fact name="jobargs.most" type="Integer"/>'),
        "relieve.sched": document.encode(),
        "m.trig": trigger("monday-morning", '<cron expr="0 0 6 ? * MON"/>'),
    }
    found = good_site(files)
    assert "online_event" in found.jobs["greeter"].handlers
    assert found.schedules["relieve"].arguments == {"most": 3}
