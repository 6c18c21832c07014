"""``catchment new monitor`` writes a package whose tests pass before a line is changed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from workers.cli.main import catchment
from workers.cli.new import paths, texts

ROOT = Path(__file__).resolve().parents[3]


def run(*arguments: str, code: int = 0) -> Result:
    result = CliRunner().invoke(catchment, ["new", "monitor", *arguments])
    assert result.exit_code == code, (result.stdout, result.stderr, result.exception)
    return result


def in_package(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(folder)])}
    return subprocess.run(
        [sys.executable, "-m", *command], cwd=folder, env=environment, capture_output=True, text=True, timeout=150
    )


def test_the_tests_of_a_new_package_pass(tmp_path: Path) -> None:
    run("meeting_rooms", "--into", str(tmp_path))
    folder = tmp_path / "catchment-meeting-rooms"
    found = in_package(folder, "pytest", "-q", "-p", "no:cacheprovider")
    assert found.returncode == 0, found.stdout + found.stderr
    assert " passed" in found.stdout
    assert "failed" not in found.stdout


def test_a_new_package_is_clean(tmp_path: Path) -> None:
    run("rooms", "--into", str(tmp_path))
    folder = tmp_path / "catchment-rooms"
    for command in (("ruff", "check", "--isolated", "--select", "E4,E7,E9,F,B,UP", "."), ("compileall", "-q", ".")):
        found = in_package(folder, *command)
        assert found.returncode == 0, found.stdout + found.stderr


def test_it_says_what_it_wrote_and_leaves_nothing_else(tmp_path: Path) -> None:
    said = run("rooms", "--into", str(tmp_path)).stdout
    folder = tmp_path / "catchment-rooms"
    written = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert written == set(paths("rooms"))
    assert all(path in said for path in written)
    assert [path.name for path in tmp_path.iterdir()] == ["catchment-rooms"]
    assert not any("@" + word in text for text in texts("rooms").values() for word in ("NAME", "CLASS", "PACKAGE"))


def test_a_folder_that_is_there_is_not_touched(tmp_path: Path) -> None:
    folder = tmp_path / "catchment-rooms"
    folder.mkdir()
    (folder / "mine").write_text("kept")
    assert "is there already" in run("rooms", "--into", str(tmp_path), code=2).stderr
    assert [path.name for path in folder.iterdir()] == ["mine"]
    (tmp_path / "catchment-link").symlink_to(tmp_path / "nowhere")
    assert "is there already" in run("link", "--into", str(tmp_path), code=2).stderr


@pytest.mark.parametrize(
    "name",
    ["", "Rooms", "1rooms", "my-rooms", "../rooms", "rooms/x", "class", "r", "a" * 40, "ro om", "http", "openstack"],
)
def test_a_name_that_cannot_be_used_is_refused(name: str, tmp_path: Path) -> None:
    run("--into", str(tmp_path), "--", name, code=2)
    assert list(tmp_path.iterdir()) == []
