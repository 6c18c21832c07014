"""Walking the site folder: what is found, what is passed over, what is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tasks.site import walk as walking
from tasks.site.walk import matches, read, read_one, walk


def fill(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(path)


def names(root: Path, *without: str) -> list[str]:
    return [found.path for found in walk(root, without).files]


def test_files_are_found_at_any_depth_in_a_fixed_order(tmp_path: Path) -> None:
    fill(tmp_path, "b.yaml", "a/z.yaml", "a/b/c.yaml", "automate/X.class/_missing.yaml")
    assert names(tmp_path) == ["a/b/c.yaml", "a/z.yaml", "automate/X.class/_missing.yaml", "b.yaml"]


def test_what_editors_and_version_control_leave_is_passed_over(tmp_path: Path) -> None:
    fill(
        tmp_path,
        "a.yaml",
        ".a.yaml.swp",
        "a.yaml~",
        "#a.yaml#",
        "a.yaml.bak",
        ".git/config",
        "x/__pycache__/y",
        "4913",
    )
    assert names(tmp_path) == ["a.yaml"]


def test_folders_that_catchment_writes_are_no_part_of_the_site(tmp_path: Path) -> None:
    fill(tmp_path, "a.yaml", "var/ledger.db", "var/log/x", "sub/var/kept.yaml")
    assert names(tmp_path, "var") == ["a.yaml", "sub/var/kept.yaml"]


def test_a_link_inside_is_followed_and_one_that_leaves_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "site"
    fill(root, "real/a.yaml")
    fill(tmp_path, "outside/secret.yaml")
    (root / "linked.yaml").symlink_to("real/a.yaml")
    (root / "out.yaml").symlink_to(tmp_path / "outside" / "secret.yaml")
    (root / "outdir").symlink_to(tmp_path / "outside")
    (root / "dangling").symlink_to("nothing")
    folder = walk(root)
    assert [found.path for found in folder.files] == ["linked.yaml", "real/a.yaml"]
    assert {problem.path: problem.what for problem in folder.problems} == {
        "out.yaml": "a symbolic link that leaves the site folder",
        "outdir": "a symbolic link that leaves the site folder",
        "dangling": "a symbolic link to nothing",
    }
    assert all(problem.mend for problem in folder.problems)


def test_a_folder_mounted_from_a_config_map_is_read(tmp_path: Path) -> None:
    fill(tmp_path, "..2026/a.yaml")
    (tmp_path / "..data").symlink_to("..2026")
    (tmp_path / "a.yaml").symlink_to("..data/a.yaml")
    assert names(tmp_path) == ["a.yaml"]


def test_a_link_in_a_circle_ends_with_a_problem(tmp_path: Path) -> None:
    fill(tmp_path, "a/x.yaml")
    (tmp_path / "a" / "again").symlink_to("../a")
    folder = walk(tmp_path)
    assert any("deep" in problem.what for problem in folder.problems)
    assert len(folder.files) < 50


def test_a_link_to_itself_is_a_link_to_nothing(tmp_path: Path) -> None:
    (tmp_path / "loop.yaml").symlink_to("loop.yaml")
    folder = walk(tmp_path)
    assert folder.files == []
    assert [problem.path for problem in folder.problems] == ["loop.yaml"]


@pytest.mark.parametrize("name", [b"a\nb.yaml", b"a\xff.yaml", b"a\x1b[2J.yaml"])
def test_a_name_that_cannot_be_shown_is_refused_and_shown_safely(tmp_path: Path, name: bytes) -> None:
    Path(os.fsdecode(bytes(tmp_path) + b"/" + name)).write_text("x")
    folder = walk(tmp_path)
    assert folder.files == []
    assert folder.problems[0].path.isprintable()


def test_a_pipe_is_no_file_and_blocks_nothing(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "catchment.toml")
    assert names(tmp_path) == []
    assert read_one(tmp_path, "catchment.toml") is None


def test_too_many_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walking, "MAX_FILES", 5)
    fill(tmp_path, *(f"{n}.yaml" for n in range(10)))
    folder = walk(tmp_path)
    assert len(folder.files) == 5
    assert [problem.what for problem in folder.problems] == ["more than 5 files"]


def test_a_file_too_large_is_named_and_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walking, "MAX_FILE_BYTES", 10)
    fill(tmp_path, "small")
    (tmp_path / "large.yaml").write_text("x" * 11)
    folder = walk(tmp_path)
    assert list(read(tmp_path, folder)) == ["small"]
    assert [problem.path for problem in folder.problems] == ["large.yaml"]


def test_too_much_together_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walking, "MAX_ALL_BYTES", 15)
    for name in "abc":
        (tmp_path / name).write_text("x" * 10)
    folder = walk(tmp_path)
    assert list(read(tmp_path, folder)) == ["a"]
    assert "more than 15 bytes together" in folder.problems[0].what


def test_one_file_is_read_without_the_rest(tmp_path: Path) -> None:
    fill(tmp_path, "catchment.toml", "deep/er/x")
    assert read_one(tmp_path, "catchment.toml") == b"catchment.toml"
    assert read_one(tmp_path, "absent.toml") is None


@pytest.mark.parametrize(
    ("path", "pattern", "fits"),
    [
        ("policies/a.yaml", "policies/*.yaml", True),
        ("policies/team/a.yaml", "policies/*.yaml", False),
        ("policies/team/a.yaml", "policies/**/*.yaml", True),
        ("policies/a.yaml", "policies/**/*.yaml", True),
        ("automate/D/N/C.class/__class__.yaml", "automate/**", True),
        ("automate/D/N/C.class/__class__.yaml", "automate/*/**/*.class/*.yaml", True),
        ("xautomate/D", "automate/**", False),
        ("a.yaml", "?.yaml", True),
        ("a+b.yaml", "a+b.yaml", True),
        ("aab.yaml", "a+b.yaml", False),
    ],
)
def test_patterns(path: str, pattern: str, fits: bool) -> None:
    assert matches(path, pattern) is fits
