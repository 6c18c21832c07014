"""``catchment actions``, and what ``check`` and ``simulate`` tell of script actions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.leap_way import BUS, CONF, NOTES, write
from tests.unit.alert.test_script_files import EXAMPLE
from tests.unit.esi_leap.leap_ground import END, message
from workers.cli.main import catchment

LABEL = f"{CONF}:fulfill"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path / "catchment.toml", "")
    write(tmp_path / "providers.yaml", BUS)
    write(tmp_path / "actions" / CONF, EXAMPLE)
    for name in ("fulfill.sh", "delete.sh"):
        write(tmp_path / "actions" / name, NOTES, 0o755)
    return tmp_path


def run(root: Path, *arguments: str, given: bytes = b"", code: int = 0) -> Result:
    result = CliRunner().invoke(catchment, ["--site", str(root), *arguments], input=given)
    assert result.exit_code == code, (result.stdout, result.stderr, result.exception)
    return result


def test_check_tells_for_each_section_what_would_run(root: Path) -> None:
    told = run(root, "check", "--site", str(root)).stdout
    words = "where purpose begins with /test/ and properties.vendor begins with /foo/, runs actions/fulfill.sh"
    assert f"{LABEL}: on {END} [error, info], {words} <node_name> <fulfill_time>" in told
    assert "warning: section [delete]: filter_params" in told
    report = json.loads(run(root, "check", "--json").stdout)
    assert set(report["actions"]) == {LABEL, f"{CONF}:delete"}
    assert report["counts"]["actions"] == 2


def test_check_explains_a_mistake_with_its_line(root: Path) -> None:
    (root / "actions/delete.sh").chmod(0o644)
    told = run(root, "check", code=1).stdout
    assert f"actions/{CONF}:18: section [delete]: the script actions/delete.sh is not executable" in told


def test_the_sections_are_listed(root: Path) -> None:
    found: list[dict[str, Any]] = json.loads(run(root, "actions", "list", "--json").stdout)
    assert [one["section"] for one in found] == [LABEL, f"{CONF}:delete"]
    assert found[0]["filters"] == {"purpose": "test", "properties.vendor": "foo"}
    assert "<node_name>" in run(root, "actions", "list").stdout


def test_what_would_run_is_told_for_a_message_and_nothing_is_run(root: Path) -> None:
    lines = b"\n".join([message(END, node_name="n $(id)\x1b[31m"), message(END, purpose="no"), b"junk"])
    told = run(root, "actions", "try", given=lines, code=1).stdout
    assert f"{LABEL} would run: actions/fulfill.sh 'n $(id)\\x1b[31m' ''" in told
    assert f'{LABEL}: not matched {{"filter": "purpose", "expected": "test", "found": "no"}}' in told
    assert "line 3: the body is not JSON" in told
    first, second, third = json.loads(run(root, "actions", "try", "--json", given=lines, code=1).stdout)
    assert first["sections"][0]["command"] == ["actions/fulfill.sh", "n $(id)\x1b[31m", ""]
    assert second["sections"][0]["verdict"] == "not matched"
    assert third["line"] == 3
    assert not (root / "runs").exists()


def test_simulate_tells_them_too(root: Path) -> None:
    told = run(root, "simulate", "--json", given=message(END)).stdout
    [effect] = json.loads(told)["effects"]
    assert effect["rule"] == f"script-action:{LABEL}"
    assert effect["params"]["command"] == ["actions/fulfill.sh", "node-a", ""]
