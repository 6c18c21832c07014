"""Scripts for real: what they get, how they end, and how hostile ones are held."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from tasks.effects.contracts import Done, EffectContext
from tasks.effects.script import Script, ScriptParams
from tasks.model.errors import Permanent, Transient
from tasks.site.settings import Settings
from tests.unit.effects.effects_ground import write


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "scripts").mkdir()
    return tmp_path


def context(site: Path, **event: object) -> EffectContext:
    facts = {"id": 7, "event_type": "vm_poweroff", **event}
    return EffectContext("7:policy/a:script::0", 2, facts, None, Settings.model_construct(), str(site))


def run(site: Path, command: list[str], *, event: dict[str, object] | None = None, **params: object) -> Done:
    return Script().run(ScriptParams(command=command, **params), context(site, **(event or {})))


def test_a_script_gets_the_event_on_its_input_and_the_effect_in_its_environment(site: Path) -> None:
    body = """\
        import json, os, sys
        event = json.load(sys.stdin)
        names = ["CATCHMENT_EFFECT_KEY", "CATCHMENT_ATTEMPT"]
        print(json.dumps([event["event_type"], *(os.environ[name] for name in names)]))
        """
    done = run(site, [write(site, "show", body)])
    assert json.loads(done.detail["stdout"]) == ["vm_poweroff", "7:policy/a:script::0", "2"]
    assert done.detail["exit"] == 0
    assert done.detail["seconds"] > 0


def test_a_target_is_part_of_the_input(site: Path) -> None:
    script = write(site, "show", "import sys; print(sys.stdin.read())")
    here = EffectContext("k", 1, {"id": 1}, {"kind": "server", "id": "s1"}, Settings.model_construct(), str(site))
    done = Script().run(ScriptParams(command=[script]), here)
    assert json.loads(done.detail["stdout"]) == {"id": 1, "target": {"id": "s1", "kind": "server"}}


def test_arguments_arrive_as_they_are_and_no_shell_sees_them(site: Path) -> None:
    script = write(site, "args", "import json, sys; print(json.dumps(sys.argv[1:]))")
    hostile = ['"; touch pwned #', "$(touch pwned)", "`touch pwned`", "a b\nc", "", "*", "| touch pwned"]
    done = run(site, [script, *hostile])
    assert json.loads(done.detail["stdout"]) == hostile
    assert not list(site.rglob("pwned"))


def test_the_environment_of_the_worker_stays_with_the_worker(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CATCHMENT_DATABASE", "postgresql://u:hunter2@db/x")
    monkeypatch.setenv("SOME_TOKEN", "t0ken")
    script = write(site, "env", "import json, os; print(json.dumps(dict(os.environ)))")
    done = run(site, [script], env={"GIVEN": "yes"})
    seen = json.loads(done.detail["stdout"])
    assert seen["GIVEN"] == "yes"
    assert "PATH" in seen
    assert "CATCHMENT_DATABASE" not in seen
    assert "SOME_TOKEN" not in seen


def test_a_secret_given_by_reference_reaches_the_script_and_is_hidden_in_what_is_kept(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK", "s3cr3t-value")
    body = "import os, hashlib; v = os.environ['KEY']; print(v, hashlib.sha256(v.encode()).hexdigest())"
    done = run(site, [write(site, "leak", body)], env={"KEY": "${env:HOOK}"})
    assert hashlib.sha256(b"s3cr3t-value").hexdigest() in done.detail["stdout"]
    assert "s3cr3t-value" not in json.dumps(done.detail)


def test_a_name_in_the_event_that_looks_like_a_reference_is_data_and_stops_nothing(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK", "s3cr3t-value")
    script = write(site, "show", "import sys; print(sys.argv[1], sys.stdin.read())")
    done = run(site, [script, "vm ${env:HOOK}"], env={"K": "${env:HOOK}"}, event={"name": "${env:HOOK}"})
    assert done.detail["stdout"].count("${env:HOOK}") == 2


@pytest.mark.parametrize("code", [1, 75, 255])
def test_an_exit_other_than_0_is_tried_again_and_says_what_the_script_said(site: Path, code: int) -> None:
    script = write(site, "fail", f"import sys; print('no disk', file=sys.stderr); sys.exit({code})")
    with pytest.raises(Transient, match=rf"exit code {code} .*no disk"):
        run(site, [script])


def test_an_end_by_signal_is_named(site: Path) -> None:
    script = write(site, "die", "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    with pytest.raises(Transient, match="ended by SIGSEGV"):
        run(site, [script])


def test_a_missing_script_is_final(site: Path) -> None:
    with pytest.raises(Permanent, match=r"does not exist.*scripts/nothing"):
        run(site, ["nothing"])


def test_a_script_without_permission_is_final_and_names_the_mend(site: Path) -> None:
    name = write(site, "plain", "", mode=0o644)
    with pytest.raises(Permanent, match="chmod"):
        run(site, [name])


def test_a_script_outside_the_site_is_final(site: Path) -> None:
    outside = site.parent / "outside"
    outside.write_text("#!/bin/sh\n")
    outside.chmod(0o755)
    with pytest.raises(Permanent, match="outside the site"):
        run(site, ["../outside"])
    (site / "scripts" / "link").symlink_to(outside)
    with pytest.raises(Permanent, match="outside the site"):
        run(site, ["scripts/link"])


def test_an_absolute_program_is_run(site: Path) -> None:
    assert run(site, ["/bin/echo", "hello"]).detail["stdout"] == "hello\n"


def test_a_script_that_names_no_interpreter_is_final(site: Path) -> None:
    path = site / "scripts" / "odd"
    path.write_bytes(b"\x00\x01\x02 not a program")
    path.chmod(0o755)
    with pytest.raises(Permanent, match="cannot be started"):
        run(site, ["scripts/odd"])


def test_a_nul_in_an_argument_is_final(site: Path) -> None:
    with pytest.raises(Permanent, match="NUL"):
        run(site, [write(site, "ok", ""), "a\x00b"])


def test_arguments_longer_than_the_system_takes_are_final(site: Path) -> None:
    with pytest.raises(Permanent, match="cannot be started"):
        run(site, [write(site, "ok", ""), "x" * 5_000_000])


def test_output_that_no_database_holds_is_made_fit(site: Path) -> None:
    script = write(site, "bytes", r"import sys; sys.stdout.buffer.write(b'a\x00b\xff\xfec')")
    kept = run(site, [script]).detail["stdout"]
    assert "\x00" not in kept
    assert kept.encode("utf-8").decode("utf-8") == kept


@pytest.mark.parametrize(
    ("params", "word"),
    [
        ({"command": []}, "command"),
        ({"command": ["  "]}, "must name a program"),
        ({"command": ["${server.name}"]}, "cannot be a placeholder"),
        ({"command": "scripts/a b"}, "command"),
        ({"command": ["a"], "timeout_seconds": 3601}, "timeout_seconds"),
        ({"command": ["a"], "shell": True}, "shell"),
        ({"command": ["a"], "env": {"A=B": "c"}}, "environment variable"),
        ({"command": ["a"], "env": {"CATCHMENT_ATTEMPT": "9"}}, "kept for Catchment"),
    ],
)
def test_wrong_parameters_are_refused(params: dict[str, object], word: str) -> None:
    with pytest.raises(ValidationError, match=word):
        ScriptParams.model_validate(params)
