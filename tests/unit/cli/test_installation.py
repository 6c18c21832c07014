"""Where an installation keeps its ledger, and what is said where the site cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from tasks.model.errors import Permanent, SiteInvalid
from tasks.site.settings import Settings
from workers.installation import database_url, ledger_file, load_settings, open_ledger


def test_the_ledger_of_a_site_that_names_none_lies_in_var(tmp_path: Path) -> None:
    url = database_url(Settings(), tmp_path)
    assert url == f"sqlite:///{tmp_path}/var/catchment.db"
    assert not (tmp_path / "var").exists()
    ledger = open_ledger(Settings(), tmp_path)
    assert (tmp_path / "var").stat().st_mode & 0o777 == 0o700
    ledger.engine.connect().close()
    ledger.close()
    assert (tmp_path / "var" / "catchment.db").exists()


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("postgresql://me:geheim@db/x", "postgresql://me:geheim@db/x"),
        ("sqlite:////abs/x.db", "sqlite:////abs/x.db"),
        ("sqlite://", "sqlite://"),
    ],
)
def test_a_database_that_is_named_is_taken_as_it_is(tmp_path: Path, given: str, wanted: str) -> None:
    assert database_url(Settings(database=SecretStr(given)), tmp_path) == wanted


def test_a_relative_sqlite_path_starts_at_the_site(tmp_path: Path) -> None:
    url = database_url(Settings(database=SecretStr("sqlite:///data/x.db")), tmp_path)
    assert ledger_file(url) == tmp_path / "data" / "x.db"


def test_a_url_that_cannot_be_read_is_not_repeated(tmp_path: Path) -> None:
    with pytest.raises(Permanent) as caught:
        database_url(Settings(database=SecretStr("geheim")), tmp_path)
    assert "geheim" not in str(caught.value)
    assert "catchment.toml" in str(caught.value)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "var").write_text("a file")
    with pytest.raises(Permanent, match="cannot be made"):
        open_ledger(Settings(), tmp_path)


def test_settings_come_from_the_file_and_the_environment_above_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "catchment.toml").write_text("retention_days = 7\n[web]\nport = 81\n")
    monkeypatch.setenv("CATCHMENT_WEB__PORT", "82")
    found = load_settings(tmp_path)
    assert (found.retention_days, found.web.port) == (7, 82)


def test_a_mistake_in_the_settings_is_told_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "catchment.toml").write_text("\nretention_day = 7\n")
    with pytest.raises(SiteInvalid, match=r"catchment\.toml:2: .*retention_day"):
        load_settings(tmp_path)


def test_a_folder_that_is_no_site_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SiteInvalid, match="no site folder"):
        load_settings(tmp_path)
    with pytest.raises(SiteInvalid, match="does not exist"):
        load_settings(tmp_path / "none")
    monkeypatch.setenv("CATCHMENT_DATABASE", "postgresql://db/x")
    assert load_settings(tmp_path).database.get_secret_value() == "postgresql://db/x"
    monkeypatch.delenv("CATCHMENT_DATABASE")
    (tmp_path / "providers.yaml").write_text("")
    assert load_settings(tmp_path).retention_days == 180
