"""A site as a whole: everything wrong with it at once, or a site with a version."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from tasks.providers.contracts import ProviderKind
from tasks.site.contracts import Part, Problem, Site, SiteContext
from tasks.site.load import load_site, site_root


class Options(BaseModel, extra="forbid"):
    monitor: str = "auto"


KINDS = {"openstack": ProviderKind("openstack", None, Options, (), None)}  # type: ignore[arg-type]  # no converter is called here


def read_notes(files: Mapping[str, bytes], context: SiteContext) -> tuple[Any, list[Problem]]:
    """A part whose files must say good, and know the first provider."""
    bad = [Problem(path, 1, "it says no good", "Write good.") for path, text in files.items() if b"good" not in text]
    return {"files": sorted(files), "providers": sorted(context.providers)}, bad


NOTES = Part("notes", ("notes/*.yaml",), read_notes)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "notes").mkdir()
    (tmp_path / "catchment.toml").write_text("retention_days = 9\n")
    (tmp_path / "clouds.yaml").write_text("clouds:\n  c:\n    auth: {password: hunter2}\n")
    (tmp_path / "providers.yaml").write_text("providers:\n  - {name: p, type: openstack, cloud: c}\n")
    (tmp_path / "notes" / "a.yaml").write_text("good\n")
    return tmp_path


def load(root: Path, *parts: Part) -> tuple[Site | None, list[Problem]]:
    return load_site(root, parts or (NOTES,), KINDS, {})


def test_a_good_site_is_read_with_all_its_parts(root: Path) -> None:
    site, problems = load(root)
    assert problems == []
    assert site is not None
    assert site.settings.retention_days == 9
    assert list(site.providers) == ["p"]
    assert site.part("notes") == {"files": ["notes/a.yaml"], "providers": ["p"]}
    assert site.root == str(root)
    assert "hunter2" not in repr(site)


def test_the_mistakes_of_all_files_come_at_once_sorted_by_place(root: Path) -> None:
    (root / "catchment.toml").write_text("\nretention_days = 0\nwbe = 1\n")
    (root / "clouds.yaml").write_text("clouds:\n  c: x\n")
    (root / "providers.yaml").write_text("providers:\n  - {name: p, type: openstck}\n")
    (root / "notes" / "b.yaml").write_text("bad\n")
    site, problems = load(root)
    assert site is None
    assert [(p.path, p.line) for p in problems] == [
        ("catchment.toml", 2),
        ("catchment.toml", 3),
        ("clouds.yaml", 2),
        ("notes/b.yaml", 1),
        ("providers.yaml", 2),
    ]
    assert all(p.what and p.mend.endswith((".", "?")) for p in problems)


def test_a_folder_that_is_not_there_names_the_ways_to_mend_it(tmp_path: Path) -> None:
    site, problems = load(tmp_path / "none")
    assert site is None
    assert "does not exist" in problems[0].what
    assert "catchment init" in problems[0].mend


def test_warnings_do_not_keep_a_site_from_being_used(root: Path) -> None:
    (root / "providers.yaml").unlink()
    site, problems = load(root)
    assert site is not None
    assert [(p.path, p.severity) for p in problems] == [("providers.yaml", "warning")]


@pytest.mark.parametrize(
    ("path", "mend"),
    [
        ("note/b.yaml", "Did you mean notes?"),
        ("notes/b.yml", "notes/*.yaml"),
        ("provider.yaml", "providers.yaml"),
    ],
)
def test_a_file_that_nobody_reads_is_a_warning_with_its_place(root: Path, path: str, mend: str) -> None:
    (root / path).parent.mkdir(exist_ok=True)
    (root / path).write_text("good")
    site, problems = load(root)
    assert site is not None
    assert [(p.path, p.what, p.severity) for p in problems] == [(path, "nobody reads this file", "warning")]
    assert mend in problems[0].mend


def test_scripts_and_secrets_are_used_by_name_and_need_no_reader(root: Path) -> None:
    for folder in ("scripts", "secrets"):
        (root / folder).mkdir()
        (root / folder / "x.yaml").write_text("anything")
    assert load(root)[1] == []


def test_a_link_out_of_the_site_keeps_it_from_being_used(root: Path) -> None:
    (root / "notes" / "etc").symlink_to("/etc")
    site, problems = load(root)
    assert site is None
    assert [p.path for p in problems] == ["notes/etc"]


def test_a_reader_with_a_bug_is_a_problem_and_no_crash(root: Path) -> None:
    def explode(files: Mapping[str, bytes], context: SiteContext) -> tuple[Any, list[Problem]]:
        raise ZeroDivisionError("hunter2")

    site, problems = load(root, NOTES, Part("bombs", ("notes/*.yaml",), explode))
    assert site is None
    assert "the reader of bombs failed: ZeroDivisionError" in problems[0].what
    assert "hunter2" not in str(problems)


def version(root: Path) -> str:
    site, _ = load(root)
    assert site is not None
    return site.version


def test_the_version_changes_with_any_file_and_with_nothing_else(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = version(root)
    assert len(first) == 12
    monkeypatch.setenv("CATCHMENT_DATABASE", "postgresql://u:pw@h/d")
    (root / "notes" / "a.yaml").touch()
    (root / "notes" / ".a.yaml.swp").write_text("x")
    (root / "var").mkdir()
    (root / "var" / "ledger.db").write_text("x")
    assert version(root) == first
    (root / "scripts").mkdir()
    (root / "scripts" / "run").write_text("#!/bin/sh\n")
    second = version(root)
    (root / "scripts" / "run").rename(root / "scripts" / "walk")
    third = version(root)
    (root / "scripts" / "walk").unlink()
    assert len({first, second, third}) == 3
    assert version(root) == first


def test_the_folder_that_catchment_writes_to_is_left_out_wherever_it_is(root: Path) -> None:
    (root / "catchment.toml").write_text('var = "data/own"\n')
    first = version(root)
    (root / "data" / "own").mkdir(parents=True)
    (root / "data" / "own" / "state.yaml").write_text("x")
    assert version(root) == first


def test_the_environment_stands_above_the_file(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CATCHMENT_RETENTION_DAYS", "77")
    site, _ = load(root)
    assert site is not None
    assert site.settings.retention_days == 77


def test_the_site_folder_is_named_by_option_then_environment_then_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CATCHMENT_SITE", raising=False)
    assert site_root() == tmp_path / "site"
    monkeypatch.setenv("CATCHMENT_SITE", "/etc/catchment")
    assert site_root() == Path("/etc/catchment")
    assert site_root("mine") == tmp_path / "mine"
