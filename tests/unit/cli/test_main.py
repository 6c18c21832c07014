"""The group: quick help, one line for an error, and the site that every command is pointed at."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from tasks.model.errors import Permanent
from tests.unit.cli.cli_ground import Site
from workers.cli.main import COMMANDS, catchment

ROOT = Path(__file__).resolve().parents[3]


def python(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **more}
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


def test_help_names_every_command_and_loads_none_of_them() -> None:
    script = (
        "import sys; sys.argv = ['catchment', '--help']\n"
        "import atexit; atexit.register(lambda: print('LOADED', sorted(m for m in sys.modules if m.split('.')[0] in "
        "('sqlalchemy', 'pydantic', 'rich', 'celery', 'tasks'))))\n"
        "from workers.cli.main import main; main()"
    )
    answer = python("-c", script)
    assert answer.returncode == 0, answer.stderr
    assert "LOADED []" in answer.stdout
    for name in COMMANDS:
        assert f"\n  {name} " in answer.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_can_be_loaded_and_explains_itself(name: str) -> None:
    answer = CliRunner().invoke(catchment, [name, "--help"])
    assert answer.exit_code == 0, answer.output
    assert answer.output.startswith(f"Usage: catchment {name}")


def test_version_is_that_of_the_package() -> None:
    answer = CliRunner().invoke(catchment, ["--version"])
    assert answer.exit_code == 0
    assert answer.output.startswith("catchment 0.")


def test_an_error_is_one_line_on_standard_error_with_status_2(tmp_path: Path) -> None:
    answer = CliRunner().invoke(catchment, ["--site", str(tmp_path / "none"), "balance"])
    assert answer.exit_code == 2
    assert answer.stdout == ""
    assert answer.stderr.count("\n") == 1
    assert f"{tmp_path / 'none'} does not exist" in answer.stderr
    assert "catchment init" in answer.stderr


def test_debug_shows_the_traceback_too(tmp_path: Path) -> None:
    answer = python("-m", "workers.cli.main", "--debug", "--site", str(tmp_path / "none"), "balance")
    assert answer.returncode == 2
    assert "Traceback" in answer.stderr
    assert answer.stderr.rstrip().splitlines()[-1].startswith("catchment: the site folder")


def test_an_error_that_another_command_wraps_is_told_alike(tmp_path: Path) -> None:
    answer = CliRunner().invoke(catchment, ["--site", str(tmp_path / "none"), "token", "list"])
    assert answer.exit_code == 2
    assert answer.stderr.startswith("catchment: the site folder")


def test_an_error_of_the_program_itself_is_not_hidden(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    site = Site(tmp_path)
    monkeypatch.setattr("workers.cli.balance.present_ledger", lambda: 1 / 0)
    answer = CliRunner().invoke(catchment, ["--site", str(site.root), "balance"])
    assert isinstance(answer.exception, ZeroDivisionError)


def test_control_characters_of_an_error_do_not_reach_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise Permanent("no \x1b[31m server")

    monkeypatch.setattr("workers.cli.balance.present_ledger", fail)
    answer = CliRunner().invoke(catchment, ["balance"])
    assert answer.exit_code == 2
    assert "\x1b" not in answer.stderr
    assert "\\x1b[31m server" in answer.stderr


def test_the_site_may_be_named_before_or_after_the_command_or_by_the_environment(tmp_path: Path) -> None:
    site = Site(tmp_path).made()
    root = str(site.root)
    for arguments, environment in (
        (["--site", root, "balance", "--json"], {}),
        (["balance", "--json", "--site", root], {}),
        (["--site", "/nowhere", "balance", "--json", "--site", root], {}),
        (["balance", "--json"], {"CATCHMENT_SITE": root}),
    ):
        answer = CliRunner().invoke(catchment, arguments, env=environment)
        assert (answer.exit_code, answer.stdout) == (0, "[]\n"), answer.stderr
    assert os.environ.get("CATCHMENT_SITE") != root


def test_a_ledger_without_tables_says_what_to_run(tmp_path: Path) -> None:
    site = Site(tmp_path)
    assert "db upgrade" in site.run("balance", code=2).stderr
    site.ledger.engine.connect().close()
    assert "db upgrade" in site.run("events", code=2).stderr


def test_a_database_that_is_down_is_told_without_its_password(tmp_path: Path) -> None:
    url = "postgresql://me:geheim@127.0.0.1:1/x"
    answer = Site(tmp_path).run("balance", code=2, CATCHMENT_DATABASE=url)
    assert "the ledger cannot be used" in answer.stderr
    assert "geheim" not in answer.stderr
    assert answer.stderr.count("\n") == 1


def test_a_reader_that_goes_away_ends_the_command_quietly(tmp_path: Path) -> None:
    site = Site(tmp_path).made()
    site.fill()
    for command in (["events", "--json"], ["events"], ["why", "1"]):
        reading, writing = os.pipe()
        os.close(reading)
        run = [sys.executable, "-m", "workers.cli.main", "--site", str(site.root), *command]
        answer = subprocess.run(run, cwd=ROOT, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
        os.close(writing)
        assert (answer.returncode, answer.stderr) == (0, ""), command
