"""What may stand in ``actions/*.conf``, and how each mistake in it is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.alert.scripts.queues import fits
from tasks.alert.scripts.read import read
from tasks.alert.scripts.section import ScriptActions
from tasks.effects.table import actions
from tasks.providers.contracts import ProviderConfig
from tasks.providers.esi_leap.options import LeapOptions
from tasks.site.contracts import Problem, SiteContext
from tasks.site.settings import Settings

PATH = "actions/esi-event-action-listener.conf"
BUS = LeapOptions(amqp={"urls": ["amqp://guest@127.0.0.1"]})

#: In the shape of the published example: comments behind values, and one brace too many.
EXAMPLE = """\
# the bus
[DEFAULT]
user = stack
password = 100%secret
host = 192.0.2.1
port = 5672
queues = esi_leap_versioned_notifications.info,esi_leap_versioned_notifications.error

# when a lease begins
[fulfill]
events = esi_leap.lease.fulfill.end
script = fulfill.sh
script_params = node_name,fulfill_time                           # handed over
filter_params = {"purpose": "test", "properties.vendor": "foo"}  # must fit

[delete]
events = esi_leap.lease.delete.end
script = delete.sh
script_params = node_name,expire_time                             # handed over
filter_params = {"purpose": "test", "properties.vendor": "foo"}}  # must fit
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "actions").mkdir()
    for name in ("fulfill.sh", "delete.sh"):
        write(tmp_path / "actions" / name, "#!/bin/sh\n")
    return tmp_path


def write(path: Path, text: str, mode: int = 0o755) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


def load(text: str, root: Path, options: LeapOptions = BUS) -> tuple[ScriptActions, list[Problem]]:
    files = frozenset(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())
    providers = {"esi": ProviderConfig("esi", "esi_leap", options)}
    context = SiteContext(Settings(), providers, actions(), files=files, root=root)
    return read({PATH: text.encode()}, context)


def section(root: Path, lines: str, head: str = "") -> list[Problem]:
    return load(f"[DEFAULT]\n{head}\n[one]\n{lines}\n", root)[1]


def told(problems: list[Problem]) -> list[tuple[int | None, str]]:
    return [(p.line, p.severity) for p in problems]


def test_check_03_the_published_example_loads_with_a_warning_for_its_surplus_brace(root: Path) -> None:
    found, problems = load(EXAMPLE, root)
    assert [p.severity for p in problems] == ["warning"]
    assert problems[0].line == 20
    assert "'}' stands behind the object" in problems[0].what
    fulfill, delete = found.sections
    assert (fulfill.events, fulfill.command) == (("esi_leap.lease.fulfill.end",), ("actions/fulfill.sh",))
    assert fulfill.params == ("node_name", "fulfill_time")
    assert {one.key: one.pattern for one in delete.filters} == {"purpose": "test", "properties.vendor": "foo"}
    assert fulfill.levels == {"info", "error"}
    assert fulfill.rule == "script-action:esi-event-action-listener.conf:fulfill"


def test_options_of_default_are_every_sections(root: Path) -> None:
    text = (
        "[DEFAULT]\nscript = fulfill.sh\nSCRIPT_PARAMS = uuid\n[a]\nevents = e.a\n[b]\nevents=e.b\nscript: delete.sh\n"
    )
    found, problems = load(text, root)
    assert problems == []
    assert [s.command[0] for s in found.sections] == ["actions/fulfill.sh", "actions/delete.sh"]
    assert [s.params for s in found.sections] == [("uuid",), ("uuid",)]


def test_lists_are_stripped_and_may_be_absent(root: Path) -> None:
    found, problems = load("[a]\nevents = x.y.start, x.y.end,\nscript = fulfill.sh\nscript_params = , a ,b\n", root)
    assert problems == []
    assert found.sections[0].events == ("x.y.start", "x.y.end")
    assert found.sections[0].params == ("a", "b")
    found, _ = load("[a]\nevents = x.y.z\nscript = fulfill.sh\n", root)
    assert (found.sections[0].params, found.sections[0].filters, found.sections[0].levels) == ((), (), None)


def test_a_percent_sign_means_itself_and_a_hash_in_quotes_too(root: Path) -> None:
    text = '[a]\nevents = x.y.z\nscript = fulfill.sh "a #b" 50%\nfilter_params = {"name": "50% #1"} # note\n'
    found, problems = load(text, root)
    assert problems == []
    assert found.sections[0].command == ("actions/fulfill.sh", "a #b", "50%")
    assert found.sections[0].filters[0].pattern == "50% #1"


def test_a_filter_may_go_over_several_lines(root: Path) -> None:
    text = '[a]\nevents = x.y.z\nscript = fulfill.sh\nfilter_params = {"a": "1", # one\n   "b": "2"}\n'
    found, problems = load(text, root)
    assert problems == []
    assert [one.key for one in found.sections[0].filters] == ["a", "b"]


@pytest.mark.parametrize(
    ("lines", "line", "what"),
    [
        ("events = x.y\nscript = fulfill.sh\nfilter_params = {'a': 1}", 6, "no JSON"),
        ("events = x.y\nscript = fulfill.sh\nfilter_params = [1]", 6, "no object"),
        ('events = x.y\nscript = fulfill.sh\nfilter_params = {} {"a": "b"}', 6, "stands behind the object"),
        ('events = x.y\nscript = fulfill.sh\nfilter_params = {"a": 1}', 6, "'a': 1 is no regular expression"),
        ('events = x.y\nscript = fulfill.sh\nfilter_params = {"a": "("}', 6, "cannot be used"),
        ('events = x.y\nscript = fulfill.sh\nfilter_params = {"a": "(?=x)"}', 6, "cannot be used"),
        ("script = fulfill.sh", 3, "names no event"),
        ("events = x.y", 3, "names no script"),
        ("events = x.y\nscript = absent.sh", 5, "not in the site"),
        ("events = x.y\nscript = /nowhere/at/all.sh", 5, "does not exist"),
        ("events = x.y\nscript = ../fulfill.sh", 5, "not in the site"),
        ("events = x.y\nscript = fulfill.sh | tee log", 5, "only a shell"),
        ("events = x.y\nscript = fulfill.sh $(id)", 5, "only a shell"),
        ("events = x.y\nscript = fulfill.sh 'a", 5, "not closed"),
        ("events = x.y\nscript = fulfill.sh\nleading_dash = yes", 6, "leading_dash"),
        ("events = x.y\nscript = fulfill.sh\ntimeout_seconds = soon", 6, "timeout_seconds"),
        ("events = x.y\nscript = fulfill.sh\ntimeout_seconds = nan", 6, "timeout_seconds"),
    ],
)
def test_a_mistake_is_told_with_its_section_and_line(root: Path, lines: str, line: int, what: str) -> None:
    [problem] = section(root, lines)
    assert what in problem.what
    assert "[one]" in problem.what
    assert (problem.path, problem.line, problem.severity) == (PATH, line, "error")
    assert problem.mend.endswith((".", "sh"))


def test_a_script_that_is_not_executable_is_told(root: Path) -> None:
    write(root / "actions/dull.sh", "#!/bin/sh\n", 0o644)
    [problem] = section(root, "events = x.y\nscript = dull.sh")
    assert problem.what.endswith("the script actions/dull.sh is not executable")
    assert problem.mend == "chmod +x actions/dull.sh"


def test_all_mistakes_are_told_at_once(root: Path) -> None:
    assert len(section(root, "filter_params = nothing\ntimeout_seconds = -1")) == 4


def test_a_script_is_found_beside_the_file_in_the_site_and_on_the_path(root: Path) -> None:
    write(root / "own.sh", "#!/bin/sh\n")
    write(root / "scripts/deep.sh", "#!/bin/sh\n")
    for script, command in (
        ("./own.sh", ("own.sh",)),
        ("deep.sh --fast", ("scripts/deep.sh", "--fast")),
        (str(root / "own.sh"), (str(root / "own.sh"),)),
    ):
        found, problems = load(f"[a]\nevents = x.y\nscript = {script}\n", root)
        assert problems == []
        assert found.sections[0].command == command
    found, _ = load("[a]\nevents = x.y\nscript = sh -x\n", root)
    assert found.sections[0].command[0].startswith("/")


def test_a_script_that_does_not_say_what_runs_it_is_run_by_sh_as_before(root: Path) -> None:
    write(root / "actions/old.sh", "echo $1\n")
    found, _ = load("[a]\nevents = x.y\nscript = old.sh\n", root)
    assert found.sections[0].command == ("/bin/sh", "actions/old.sh")


@pytest.mark.parametrize(
    ("queues", "what"),
    [
        ("esi_leap_versioned_notifications.inf", "'inf' is no level"),
        ("esi_leap_version_notifications.info", "no provider listens to its topic"),
        ("notifications", "is no level"),
    ],
)
def test_a_queue_that_does_not_exist_is_told(root: Path, queues: str, what: str) -> None:
    [problem] = section(root, "events = x.y\nscript = fulfill.sh", f"queues = {queues}")
    assert what in problem.what
    assert (problem.line, problem.severity) == (2, "error")


def test_queues_are_warned_of_where_nobody_listens_to_a_bus(root: Path) -> None:
    _, problems = load(EXAMPLE.replace("}}", "}"), root, LeapOptions())
    assert told(problems) == [(7, "warning")]
    assert "no provider of the site listens to a bus" in problems[0].what


@pytest.mark.parametrize(
    ("pattern", "key", "yes"),
    [("a.#", "a.info", True), ("a.#", "a", True), ("a.*", "a.info", True), ("a.*", "a.b.info", False),
     ("#", "x.y", True), ("a.info", "a.error", False)],
)  # fmt: skip
def test_topics_are_matched_as_the_broker_does(pattern: str, key: str, yes: bool) -> None:
    assert fits(pattern, key) is yes


@pytest.mark.parametrize(
    ("text", "line"),
    [("junk\n", 1), ("[a]\nevents = 1\n[a]\n", 3), ("[a]\nx = 1\nx = 2\n", 3), ("[a]\njust words\n", 2)],
)
def test_what_is_no_configuration_file_is_told_with_its_line(root: Path, text: str, line: int) -> None:
    found, problems = load(text, root)
    assert len(found) == 0
    assert told(problems) == [(line, "error")]


def test_the_password_is_never_repeated(root: Path) -> None:
    for text in (EXAMPLE.replace("port =", "port"), EXAMPLE.replace("[DEFAULT]", ""), EXAMPLE + "password secret"):
        assert "secret" not in " ".join(str(p) for p in load(text, root)[1])


def test_unknown_words_are_warned_of(root: Path) -> None:
    problems = section(root, "events = esi_leap.lease.fullfill.end\nscript = fulfill.sh\nscripts = 1")
    assert told(problems) == [(6, "warning"), (4, "warning")]
    assert "Did you mean esi_leap.lease.fulfill.end?" in problems[1].mend
    assert "script" in problems[0].mend
