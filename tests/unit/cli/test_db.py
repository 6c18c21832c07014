"""Upgrading and checking the ledger's tables."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text

from tests.unit.cli.cli_ground import Site
from workers.cli.db import differing_tables


def test_upgrade_makes_the_tables_and_says_so_once(tmp_path: Path) -> None:
    site = Site(tmp_path)
    assert "now (before: empty)" in site.run("db", "upgrade").stdout
    assert "already" in site.run("db", "upgrade").stdout
    assert "no table differs" in site.run("db", "check").stdout


def test_check_of_a_ledger_without_tables_ends_with_1(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.ledger.engine.connect().close()
    answer = site.run("db", "check", code=1)
    assert "at revision none" in answer.stderr
    assert "tables differ" in answer.stderr
    assert "catchment db upgrade" in answer.stderr


@pytest.mark.parametrize(
    ("statement", "table"),
    [
        ("ALTER TABLE mark ADD COLUMN extra TEXT", "mark"),
        ("ALTER TABLE mark DROP COLUMN note", "mark"),
        ("DROP INDEX ix_tally_provider", "tally"),
        ("DROP TABLE alert_firing", "alert_firing"),
    ],
)
def test_check_counts_the_tables_that_somebody_changed(tmp_path: Path, statement: str, table: str) -> None:
    site = Site(tmp_path).made()
    with site.ledger.transaction() as session:
        session.execute(text(statement))
    answer = site.run("db", "check", code=1)
    assert f"1 table differs ({table})" in answer.stderr


def test_tables_of_others_do_not_count(tmp_path: Path) -> None:
    site = Site(tmp_path).made()
    with site.ledger.transaction() as session:
        session.execute(text("CREATE TABLE somebody_elses (a INTEGER)"))
    assert differing_tables(site.ledger) == set()
