"""``catchment init`` and ``catchment check`` as an operator runs them."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from pydantic import BaseModel

from tasks.effects.table import actions
from tasks.providers.contracts import ProviderKind
from tasks.providers.table import kinds
from tasks.site.contracts import Part, Problem, SiteContext
from workers import readers
from workers.cli.check import check
from workers.cli.init import FILES, init

ROOMS = readers.parts


class Options(BaseModel, extra="forbid"):
    monitor: str = "auto"


def counted(name: str) -> Part:
    def read(files: Mapping[str, bytes], context: SiteContext) -> tuple[Any, list[Problem]]:
        entries = [entry for text in files.values() for entry in (yaml.safe_load(text) or {}).get(name) or []]
        return entries, [
            Problem(path, 3, "it is [red]bad[/red]\x1b[2J", "Mend it.") for path, t in files.items() if b"BAD" in t
        ]

    return Part(name, (f"{name}/*.yaml",), read)


@pytest.fixture(autouse=True)
def rooms(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = {"openstack": ProviderKind("openstack", None, Options, (), None)}  # type: ignore[arg-type]  # not called here
    monkeypatch.setattr(readers, "parts", lambda: (counted("policies"), counted("alerts")))
    monkeypatch.setattr(readers, "kinds", lambda: kinds)
    monkeypatch.delenv("CATCHMENT_SITE", raising=False)


def run(command: Any, *arguments: str) -> Result:
    return CliRunner().invoke(command, list(arguments))


def test_a_new_site_passes_the_check_unchanged_with_a_word_on_the_missing_provider(tmp_path: Path) -> None:
    root = tmp_path / "site"
    made = run(init, str(root))
    assert made.exit_code == 0, made.output
    assert "clouds.yaml" in made.output
    assert "catchment check" in made.output
    checked = run(check, "--site", str(root))
    assert checked.exit_code == 0, checked.output
    lines = checked.output.splitlines()
    assert lines[0].startswith("providers.yaml: warning: no provider yet. ")
    assert lines[1].startswith("site ok: 0 providers, 1 policy, 1 alert, version ")
    assert len(lines) == 2


def test_the_rooms_read_a_new_site_and_its_commented_examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "parts", ROOMS)
    root = tmp_path / "site"
    run(init, str(root))
    assert run(check, "--site", str(root)).exit_code == 0
    policy = root / "policies" / "example.yaml"
    policy.write_text(policy.read_text().replace("#      - ", "      - "))
    checked = run(check, "--site", str(root))
    assert checked.exit_code == 0, checked.output
    assert "1 policy, 1 alert" in checked.output
    policy.write_text(policy.read_text().replace("webhook:", "wbehook:"))
    refused = run(check, "--site", str(root))
    assert refused.exit_code == 1
    assert "policies/example.yaml:" in refused.output
    assert "webhook" in refused.output


def test_every_file_of_a_new_site_is_commented(tmp_path: Path) -> None:
    run(init, str(tmp_path / "site"))
    for file in FILES:
        text = (tmp_path / "site" / file.path).read_text()
        assert text.count("#") >= 1, file.path
        assert len(text.splitlines()) >= 5, file.path


def test_the_examples_of_a_new_site_use_the_actions_rightly(tmp_path: Path) -> None:
    run(init, str(tmp_path / "site"))
    for path, lists in (("policies/example.yaml", "then"), ("alerts/example.yaml", "notify")):
        # The commented actions are part of the example and must work when their mark is taken away.
        text = (tmp_path / "site" / path).read_text().replace("#      - ", "      - ")
        (entry,) = next(iter(yaml.safe_load(text).values()))
        assert entry[lists]
        for action in entry[lists]:
            ((word, params),) = action.items()
            actions()[word].params.model_validate(params)


def test_the_example_script_runs(tmp_path: Path) -> None:
    run(init, str(tmp_path / "site"))
    script = tmp_path / "site" / "scripts" / "show_event"
    done = subprocess.run(
        [script],
        input='{"event_type": "vm_start"}',
        capture_output=True,
        text=True,
        env=os.environ,
        check=True,
    )
    assert "event: vm_start" in done.stdout


def test_the_providers_of_a_new_site_work_when_their_marks_are_taken_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readers, "kinds", kinds)
    root = tmp_path / "site"
    run(init, str(root))
    (root / "secrets").mkdir()
    (root / "secrets" / "engine").write_text("sesame")
    for name in ("providers.yaml", "clouds.yaml"):
        text = (root / name).read_text().replace("\n#  ", "\n  ")
        (root / name).write_text(text)
    checked = run(check, "--site", str(root))
    assert checked.output.startswith("site ok: 2 providers, 1 policy, 1 alert, version ")


def test_passwords_and_scripts_get_their_modes(tmp_path: Path) -> None:
    root = tmp_path / "site"
    run(init, str(root))
    assert stat.S_IMODE((root / "clouds.yaml").stat().st_mode) == 0o600
    assert os.access(root / "scripts" / "show_event", os.X_OK)


def test_nothing_is_written_over_unless_asked_for(tmp_path: Path) -> None:
    (tmp_path / "clouds.yaml").write_text("mine")
    refused = run(init, str(tmp_path))
    assert refused.exit_code == 1
    assert "clouds.yaml" in refused.output
    assert "--force" in refused.output
    assert [path.name for path in tmp_path.iterdir()] == ["clouds.yaml"]
    assert (tmp_path / "clouds.yaml").read_text() == "mine"
    assert run(init, str(tmp_path), "--force").exit_code == 0
    assert "mine" not in (tmp_path / "clouds.yaml").read_text()


def test_a_link_is_not_written_through(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("mine")
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "clouds.yaml").symlink_to(outside)
    assert run(init, str(tmp_path / "site"), "--force").exit_code == 0
    assert outside.read_text() == "mine"


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    refused = run(init, str(tmp_path / "file" / "site"))
    assert refused.exit_code == 1
    assert "cannot be written" in refused.output


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    root = tmp_path / "site"
    run(init, str(root))
    (root / "catchment.toml").write_text('[mail]\nprot = 1\npassword = ["hunter2"]\n')
    (root / "policies" / "b.yaml").write_text("# BAD\n")
    return root


def test_every_mistake_has_a_line_of_its_own_and_the_exit_code_is_1(bad: Path) -> None:
    checked = run(check, "--site", str(bad))
    assert checked.exit_code == 1
    lines = checked.output.splitlines()
    assert lines[0].startswith("catchment.toml:2: unknown key 'prot'. Did you mean 'port'?")
    assert lines[1].startswith("catchment.toml:3: mail.password: ")
    assert lines[2].startswith("policies/b.yaml:3: it is [red]bad[/red]\\x1b[2J. Mend it.")
    assert lines[-1].endswith(": 3 mistakes")
    assert "hunter2" not in checked.output


def test_json_says_the_same_for_programs(bad: Path, tmp_path: Path) -> None:
    checked = run(check, "--site", str(bad), "--json")
    assert checked.exit_code == 1
    report = json.loads(checked.output)
    assert (report["ok"], report["version"]) == (False, None)
    assert [(p["path"], p["line"], p["severity"]) for p in report["problems"]] == [
        ("catchment.toml", 2, "error"),
        ("catchment.toml", 3, "error"),
        ("policies/b.yaml", 3, "error"),
        ("providers.yaml", None, "warning"),
    ]
    assert "hunter2" not in checked.output
    run(init, str(tmp_path / "good"))
    report = json.loads(run(check, "--site", str(tmp_path / "good"), "--json").output)
    assert (report["ok"], report["counts"]) == (True, {"providers": 0, "policies": 1, "alerts": 1})
    assert len(report["version"]) == 12


def test_the_environment_names_the_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CATCHMENT_SITE", str(tmp_path / "there"))
    assert run(init).exit_code == 0
    assert (tmp_path / "there" / "catchment.toml").exists()
    assert run(check).exit_code == 0


def test_a_missing_site_is_told_how_to_be_made(tmp_path: Path) -> None:
    checked = run(check, "--site", str(tmp_path / "none"))
    assert checked.exit_code == 1
    assert "catchment init" in checked.output


def test_importing_the_commands_reads_no_room() -> None:
    code = (
        "import sys; import workers.cli.check, workers.cli.init, workers.readers; "
        "rooms = ('tasks.policy.', 'tasks.alert.', 'tasks.switchboard.', 'openstack'); "
        "print([name for name in sys.modules if name.startswith(rooms)])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(readers.__file__).parents[1],
    )
    assert done.stdout.strip() == "[]"
