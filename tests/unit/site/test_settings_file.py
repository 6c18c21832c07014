"""``catchment.toml``: every mistake with its line, and the environment above it."""

from __future__ import annotations

import re
import tomllib

import pytest

from tasks.site.sample import sample_toml
from tasks.site.settings import Settings
from tasks.site.toml import ENVIRONMENT, FILE, line_of, settings_of


def mistakes(text: str) -> list[tuple[str, int | None, str, str]]:
    settings, problems = settings_of(text.encode())
    assert settings is None
    return [(p.path, p.line, p.what, p.mend) for p in problems]


def test_no_file_means_every_default() -> None:
    settings, problems = settings_of(None)
    assert problems == []
    assert settings is not None
    assert settings.web.port == 8765


def test_the_file_sets_and_the_environment_stands_above_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CATCHMENT_WEB__PORT", "9100")
    monkeypatch.setenv("CATCHMENT_LOG_LEVEL", "DEBUG")
    text = 'retention_days = 3\nlog_level = "ERROR"\n[web]\nport = 9000\nhost = "0.0.0.0"\n'
    settings, problems = settings_of(text.encode())
    assert problems == []
    assert settings is not None
    assert (settings.retention_days, settings.log_level) == (3, "DEBUG")
    assert (settings.web.port, settings.web.host) == (9100, "0.0.0.0")


@pytest.mark.parametrize(
    ("text", "line", "what", "mend"),
    [
        ("a = 1\nb 2\n", 2, "no TOML: expected '='", "key = value"),
        ("[web]\nport = \n", 2, "no TOML: invalid value", "key = value"),
        ("a = [1,\n\n", 2, "no TOML: ", "key = value"),
        ("\n[web]\nport = 1\n[web]\n", 4, "no TOML: cannot declare", "key = value"),
        ("# x\n[web]\nprot = 80\n", 3, "unknown key 'prot'", "Did you mean 'port'?"),
        ("retention = 5\n", 1, "unknown key 'retention'", "Did you mean 'retention_days'?"),
        ("xyzzy = 5\n", 1, "unknown key 'xyzzy'", "Known are: actions"),
        ("[wev]\nport = 1\n", 1, "unknown key 'wev'", "Did you mean 'web'?"),
        (
            "[web]\nport = 99999\n",
            2,
            "web.port: input should be less than or equal to 65535",
            "Port of the pages",
        ),
        ("web.port = 0\n", 1, "web.port: input should be greater", "Correct the value"),
        ("web = {port = 0}\n", 1, "web.port: input should be greater", "Correct the value"),
        ('[mail]\n"port" = "x"\n', 2, "mail.port: input should be a valid integer", "Correct the value"),
        ('[mail]\nsecurity = "ssl"\n', 2, "'none', 'starttls' or 'tls'", "How the conversation"),
        ("conveyor = 3\n", 1, "conveyor: ", "Correct the value"),
    ],
)
def test_a_mistake_has_its_line_and_a_way_to_mend_it(text: str, line: int, what: str, mend: str) -> None:
    ((path, found, said, way),) = mistakes(text)
    assert (path, found) == (FILE, line)
    assert what in said
    assert mend in way


def test_all_mistakes_come_at_once() -> None:
    found = mistakes('log_level = "LOUD"\n\n[web]\nport = "x"\nhsot = "h"\n[catch]\nbatch = 0\n')
    assert [line for _, line, _, _ in found] == [1, 4, 5, 7] or {line for _, line, _, _ in found} == {
        1,
        4,
        5,
        7,
    }


def test_text_that_is_no_utf8_has_its_line() -> None:
    _, problems = settings_of(b"# one\n# two \xff\n")
    assert [(p.path, p.line) for p in problems] == [(FILE, 2)]


def test_a_mistake_in_the_environment_names_the_variable_and_not_its_value(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CATCHMENT_WEB__PORT", "s3cret-looking")
    ((path, line, what, _),) = mistakes("[web]\nport = 80\n")
    assert (path, line) == (ENVIRONMENT, None)
    assert what.startswith("CATCHMENT_WEB__PORT: ")
    assert "s3cret" not in what


def test_a_misspelt_key_in_the_environment_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CATCHMENT_WEB__PROT", "80")
    ((path, _, what, mend),) = mistakes("")
    assert path == ENVIRONMENT
    assert "CATCHMENT_WEB__PROT" in what
    assert "'port'" in mend


def test_a_section_in_the_environment_that_is_no_json_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CATCHMENT_MAIL", "hunter2")
    ((path, _, what, mend),) = mistakes("")
    assert path == ENVIRONMENT
    assert "hunter2" not in what + mend


def test_a_wrong_value_is_never_repeated() -> None:
    found = mistakes('database = 5\n[mail]\nport = "hunter2"\npassword = ["hunter2"]\nsecurity = "hunter2"\n')
    assert len(found) == 4
    assert "hunter2" not in str(found)


def test_lines_inside_long_texts_are_no_keys() -> None:
    text = 'a = """\n[web]\nport = 1\n"""\n[web]\nport = 2\n'
    assert line_of(text, ["web", "port"]) == 6
    assert line_of(text, ["web"]) == 5
    assert line_of(text, ["nothing"]) is None


def test_the_sample_has_every_setting_with_its_meaning_and_changes_nothing() -> None:
    text = sample_toml()
    settings, problems = settings_of(text.encode())
    assert problems == []
    assert settings == Settings()
    for name, field in Settings.model_fields.items():
        section = getattr(settings, name)
        inner = getattr(type(section), "model_fields", None) if field.description is None else None
        for key, info in inner.items() if inner else [(name, field)]:
            assert f"\n# {key} = " in text
            assert str(info.description) in text


def test_the_sample_without_its_comment_marks_gives_the_defaults() -> None:
    text = re.sub(r"(?m)^# (\w+ = .*)$", r"\1", sample_toml())
    set_ones = [line for line in text.splitlines() if "# not set" not in line]
    assert sum(" = " in line and not line.startswith("#") for line in set_ones) > 30
    assert Settings(**tomllib.loads("\n".join(set_ones))) == Settings()
