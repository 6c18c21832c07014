"""Templates of mails: what they may hold, what comes of them, and how their mistakes are told."""

from __future__ import annotations

import email
import email.policy
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tasks.alert.read import PART as ALERTS
from tasks.effects.contracts import EffectContext
from tasks.effects.mail import Mail, MailParams
from tasks.effects.table import actions
from tasks.effects.templates import MAX_BYTES, PART, Templates, read
from tasks.model.errors import Permanent
from tasks.providers.table import kinds
from tasks.site.contracts import SiteContext
from tasks.site.load import load_site
from tasks.site.settings import Mail as MailSettings
from tasks.site.settings import Settings
from tests.unit.effects.effects_ground import Desk, desk

EVENT = {"id": 7, "event_type": "vm_poweroff", "provider": "lab", "group": "power"}
TARGET = {"kind": "server", "id": "s1", "name": "web <1>", "attributes": {"tags": ["gold"]}}
RULE = {"kind": "alert", "name": "down", "severity": "error", "summary": "it is down"}
DOWN = """Subject: [{{ rule.severity }}] {{ target.name }}

{{ rule.summary }}: {{ event.event_type }} of {{ event.group }}.
{% for tag in target.attributes.tags %}* {{ tag }}
{% endfor %}{% include "_foot.txt" %}
"""
FILES = {
    "templates/down.txt": DOWN,
    "templates/down.html": "<p>{{ target.name }} & {{ key }}</p>{% include '_foot.txt' %}",
    "templates/_foot.txt": "-- {{ key }}",
}


def templates(**files: str) -> Templates:
    found, problems = read({f"templates/{n}": t.encode() for n, t in files.items()}, SiteContext(Settings(), {}, {}))
    assert problems == []
    return found


def context(made: Templates, target: Any = TARGET, settings: Settings | None = None) -> EffectContext:
    return EffectContext("k1", 1, EVENT, target, settings or Settings.model_construct(), ".", rule=RULE, templates=made)


def problems_of(files: dict[str, str | bytes]) -> list[tuple[str, int | None, str]]:
    contents = {path: text if isinstance(text, bytes) else text.encode() for path, text in files.items()}
    return [(p.path, p.line, p.what) for p in read(contents, SiteContext(Settings(), {}, {}))[1]]


def test_a_piece_of_text_in_a_mail_in_html_is_escaped_as_well() -> None:
    piece = "{{ target.name }}"
    made = templates(**{
        "a.txt": "Subject: x\n\n{% include '_p.txt' %}", "a.html": "<p>{% include '_p.txt' %}</p>", "_p.txt": piece,
    })  # fmt: skip
    written = made.fill("a", context(made))
    assert (written.text, written.html) == ("web <1>", "<p>web &lt;1&gt;</p>")


def test_a_mail_of_a_template_arrives_as_text_and_html() -> None:
    found, problems = read({p: t.encode() for p, t in FILES.items()}, SiteContext(Settings(), {}, {}))
    assert (problems, found.names, len(found)) == ([], ["down"], 1)
    handler = Desk()
    with desk(handler) as port:
        mail = MailSettings(host="127.0.0.1", port=port, sender="catchment@example.org")
        params = MailParams.model_validate({"to": "ops@example.org", "template": "down"})
        Mail().run(params, context(found, settings=Settings.model_construct(mail=mail)))
    assert isinstance(handler.taken[0].content, bytes)
    message = email.message_from_bytes(handler.taken[0].content, policy=email.policy.default)
    assert (message["Subject"], message.get_content_type()) == ("[error] web <1>", "multipart/alternative")
    text, html = [part.get_content().replace("\r\n", "\n") for part in message.iter_parts()]
    assert text == "it is down: vm_poweroff of power.\n* gold\n-- k1\n"
    assert html == "<p>web &lt;1&gt; & k1</p>-- k1\n"


def test_a_value_that_is_not_there_is_told_with_file_line_and_name() -> None:
    made = templates(**{"a.txt": "Subject: x\n\none\ntwo {{ event.flavour }}\n", "b.txt": "Subject: {{ who }}\n\n"})
    with pytest.raises(Permanent, match=r"^templates/a\.txt:4: .*'flavour'.*Correct the template"):
        made.fill("a", context(made))
    with pytest.raises(Permanent, match=r"^templates/b\.txt:1: 'who' is undefined"):
        made.fill("b", context(made))


def test_a_mistake_in_a_piece_is_told_where_it_is() -> None:
    made = templates(**{"a.txt": "Subject: x\n\n{% include '_p.txt' %}", "_p.txt": "\n{{ 1 / 0 }}"})
    with pytest.raises(Permanent, match=r"^templates/_p\.txt:2: ZeroDivisionError"):
        made.fill("a", context(made))


def test_an_event_about_no_object_has_no_target() -> None:
    made = templates(**{"a.txt": "Subject: {{ target.name if target else 'nothing' }}\n\n"})
    assert made.fill("a", context(made, None)) == ("nothing", "", None)


def test_a_line_end_in_a_value_makes_no_second_header() -> None:
    made = templates(**{"a.txt": "Subject: {{ target.name }}\n\nx"})
    subject = made.fill("a", context(made, {"name": "web\r\nBcc: all@example.org"})).subject
    assert subject == "web Bcc: all@example.org"


@pytest.mark.parametrize(
    "text",
    ["{{ event.__class__.__mro__ }}", "{{ ''.__class__ }}", "{{ event.update({'id': 1}) }}", "{{ cycler.__init__ }}"],
)
def test_a_template_cannot_reach_into_the_program(text: str) -> None:
    made = templates(**{"a.txt": f"Subject: x\n\n{text}"})
    with pytest.raises(Permanent, match=r"^templates/a\.txt:3: .*(unsafe|undefined|has no attribute)"):
        made.fill("a", context(made))


def test_what_comes_of_a_template_is_bounded() -> None:
    made = templates(**{"a.txt": "Subject: x\n\n{% for n in range(99999) %}0123456789{% endfor %}"})
    with pytest.raises(Permanent, match=f"templates/a.txt makes more than {MAX_BYTES} bytes"):
        made.fill("a", context(made))


@pytest.mark.parametrize("name", ["up", "_foot", "down.html"])
def test_a_template_that_does_not_exist_is_final_and_the_others_are_listed(name: str) -> None:
    made = templates(**{path.removeprefix("templates/"): text for path, text in FILES.items()})
    with pytest.raises(Permanent, match=rf"templates/{name}.txt does not exist: there are down"):
        made.fill(name, context(made))


def test_a_site_without_templates_says_so() -> None:
    mail = MailSettings(host="127.0.0.1", sender="c@example.org")
    without = EffectContext("k", 1, EVENT, None, Settings.model_construct(mail=mail), ".")
    with pytest.raises(Permanent, match="the site has none"):
        Mail().run(MailParams(to=["a@example.org"], template="down"), without)


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("Hello", 1, "the first line is no subject"),
        ("Subject:\n\n", 1, "the first line is no subject"),
        ("Subject: x\ntext", 2, "no blank line"),
        ("Subject: {{ x\n\n", 1, "unexpected"),
        ("Subject: x\n\n\n{% if event %}", 4, "Unexpected end of template"),
        ("Subject: x\n\n{{ event | shout }}", 3, "No filter named 'shout'"),
        ("Subject: x\n\na\n{% include 'other.txt' %}", 4, "no templates/other.txt to include"),
        ("Subject: x\n\n{% include '../catchment.toml' %}", 3, "no templates/../catchment.toml to include"),
        ("Subject: x\n\n{% include target.name %}", 1, "no templates/… to include"),
        (b"Subject: x\n\n\xff", 3, "not UTF-8"),
        ("Subject: x\n\n" + "x" * MAX_BYTES, None, "more than"),
    ],
)
def test_mistakes_are_found_when_the_site_is_read(text: str | bytes, line: int | None, what: str) -> None:
    [(path, found, said)] = problems_of({"templates/a.txt": text})
    assert (path, found, what in said) == ("templates/a.txt", line, True), said


def test_html_without_text_and_odd_names_are_mistakes() -> None:
    found = problems_of({"templates/a.html": "x", "templates/b c.txt": "Subject: x\n\n"})
    assert [(path, line) for path, line, _ in found] == [("templates/a.html", None), ("templates/b c.txt", None)]
    assert "needs its text beside it" in found[0][2]


def test_a_rule_that_names_no_template_of_the_site_is_a_mistake_of_the_site(tmp_path: Path) -> None:
    for folder in ("alerts", "templates"):
        (tmp_path / folder).mkdir()
    (tmp_path / "templates/down.txt").write_text(FILES["templates/down.txt"].replace('{% include "_foot.txt" %}', ""))
    alert = "alerts:\n- name: a\n  on: [vm_poweroff]\n  notify:\n  - mail: {to: o@example.org, template: dwon}\n"
    (tmp_path / "alerts/a.yaml").write_text(alert)
    site, problems = load_site(tmp_path, [PART, ALERTS], kinds(), actions())
    assert site is None
    problems = [p for p in problems if p.severity == "error"]
    assert [(p.path, p.line) for p in problems] == [("alerts/a.yaml", 5)]
    assert "the site has no templates/dwon.txt" in problems[0].what
    (tmp_path / "alerts/a.yaml").write_text(alert.replace("dwon", "down"))
    site, _ = load_site(tmp_path, [PART, ALERTS], kinds(), actions())
    assert site is not None
    assert len(site.part("templates")) == 1


@pytest.mark.parametrize(
    ("params", "where", "what"),
    [
        ({}, "subject", "needs one, or a template"),
        ({"template": "down", "subject": "x"}, "subject", "the template has it"),
        ({"template": "down", "body": "x"}, "body", "the template has the text"),
        ({"template": "../down"}, "template", "pattern"),
        ({"template": "${event.group}"}, "template", "pattern"),
    ],
)
def test_a_mail_has_either_a_template_or_a_subject(params: dict[str, str], where: str, what: str) -> None:
    with pytest.raises(ValidationError) as mistakes:
        MailParams.model_validate({"to": "a@example.org", **params})
    [mistake] = mistakes.value.errors()
    assert (mistake["loc"], what in mistake["msg"]) == ((where,), True)
