"""``catchment token``: tokens are made, listed and revoked from the command line."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tasks.ledger import tokens
from tasks.ledger.session import Ledger
from tasks.model import clock
from workers.cli.main import catchment


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "catchment.toml").write_text("[web]\nport = 18765\n")
    return tmp_path


def run(site: Path, *words: str) -> Result:
    return CliRunner().invoke(catchment, ["token", *words, "--site", str(site)])


def test_create_prints_the_token_alone_on_standard_output(site: Path) -> None:
    result = run(site, "create", "ann", "--role", "operate")

    assert result.exit_code == 0, result.output
    clear = result.stdout.strip()
    assert clear.startswith("cmt_")
    assert "shown this once" in result.stderr
    ledger = Ledger(f"sqlite:///{site / 'var' / 'catchment.db'}")
    with ledger.reading() as session:
        found = tokens.find(session, clear, clock.now())
        assert found is not None
        assert (found.name, found.role, found.project, found.expires_at) == ("ann", "operate", None, None)
    ledger.close()


def test_create_takes_a_project_and_a_span(site: Path) -> None:
    result = run(site, "create", "team", "--role", "view", "--project", "red", "--expires", "2w", "--json")

    made = json.loads(result.stdout)
    assert (made["name"], made["role"], made["project"]) == ("team", "view", "red")
    left = clock.parse_utc(made["expires_at"]) - clock.now()
    assert timedelta(days=13, hours=23) < left <= timedelta(days=14)


@pytest.mark.parametrize("span", ["0d", "30", "d", "-1d", "1y", "999999w", "1d ", "١d"])
def test_create_refuses_what_is_no_span(site: Path, span: str) -> None:
    result = run(site, "create", "team", "--role", "view", f"--expires={span}")

    assert result.exit_code == 2
    assert "no span of time" in result.stderr


def test_create_refuses_a_taken_name_and_an_unknown_role(site: Path) -> None:
    assert run(site, "create", "ann", "--role", "view").exit_code == 0
    again = run(site, "create", "ann", "--role", "admin")
    assert again.exit_code == 2
    assert "choose another name" in again.stderr
    assert run(site, "create", "bob", "--role", "root").exit_code == 2


PROVIDERS = "providers:\n- {name: racks, type: webhook}\n"


def test_create_makes_a_token_that_pushes_to_one_provider(site: Path) -> None:
    (site / "providers.yaml").write_text(PROVIDERS)
    made = json.loads(run(site, "create", "sender", "--push", "racks", "--json").stdout)
    assert (made["role"], made["provider"], made["project"]) == ("push", "racks", None)
    [row] = json.loads(run(site, "list", "--json").stdout)
    assert (row["role"], row["provider"]) == ("push", "racks")
    assert "provider racks" in run(site, "list").stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--push", "rack"], "Did you mean 'racks'?"),
        (["--push", "racks", "--role", "view"], "--push PROVIDER"),
        ([], "--push PROVIDER"),
        (["--push", "racks", "--project", "red"], "leave the project out"),
        (["--role", "push"], "push"),
    ],
)
def test_create_refuses_a_token_that_could_not_push(site: Path, words: list[str], said: str) -> None:
    (site / "providers.yaml").write_text(PROVIDERS)
    result = run(site, "create", "sender", *words)
    assert result.exit_code == 2
    assert said in result.stderr
    assert "cmt_" not in result.output


def test_create_tells_the_mistakes_of_a_site_whose_providers_are_not_known(site: Path) -> None:
    (site / "providers.yaml").write_text("providers: 7\n")
    result = run(site, "create", "sender", "--push", "racks")
    assert result.exit_code == 2
    assert "'providers' is no list" in result.stderr


def test_list_shows_every_token_and_no_clear_text(site: Path) -> None:
    clear = run(site, "create", "ann", "--role", "operate").stdout.strip()
    run(site, "create", "team", "--role", "view", "--project", "[red]", "--expires", "1h")
    run(site, "revoke", "ann")

    rows = json.loads(run(site, "list", "--json").stdout)
    assert [(r["name"], r["role"], r["project"], r["state"]) for r in rows] == [
        ("ann", "operate", None, "revoked"),
        ("team", "view", "[red]", "good"),
    ]
    table = run(site, "list").stdout
    for text in ("ann", "revoked", "team", "[red]", "never"):
        assert text in table, text
    assert clear not in table
    assert clear not in json.dumps(rows)


def test_revoke_says_what_it_did(site: Path) -> None:
    run(site, "create", "ann", "--role", "view")

    assert run(site, "revoke", "ann").stdout == "ann is revoked\n"
    assert run(site, "revoke", "ann").stdout == "ann was revoked before\n"
    unknown = run(site, "revoke", "nobody")
    assert unknown.exit_code == 2
    assert "no token 'nobody'" in unknown.stderr


def test_list_says_what_to_do_where_there_is_no_ledger_yet(site: Path) -> None:
    result = run(site, "list")

    assert result.exit_code == 2
    assert "no ledger yet" in result.stderr
