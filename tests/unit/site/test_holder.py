"""A running installation takes a changed site over as a whole or not at all."""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from tasks.model.errors import Permanent, SiteInvalid
from tasks.site import holder as holding
from tasks.site.contracts import Part, Problem, SiteContext
from tasks.site.holder import SiteHolder


def read_notes(files: Mapping[str, bytes], context: SiteContext) -> tuple[Any, list[Problem]]:
    bad = [Problem(path, 1, "it says bad", "Write good.") for path, text in sorted(files.items()) if b"bad" in text]
    return {path: text.decode() for path, text in files.items()}, bad


PART = Part("notes", ("notes/*",), read_notes)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "notes").mkdir()
    (tmp_path / "providers.yaml").write_text("providers: []\n")
    (tmp_path / "notes" / "a").write_text("good one")
    return tmp_path


def hold(root: Path, every: float = 0.0) -> SiteHolder:
    return SiteHolder(root, (PART,), {}, {}, every_seconds=every)


def test_the_first_call_reads_the_site_and_the_next_return_the_same(root: Path) -> None:
    sites = hold(root)
    first = sites.current()
    assert first.part("notes") == {"notes/a": "good one"}
    assert sites.current() is first


def test_a_site_that_was_never_good_is_refused_with_every_mistake(root: Path) -> None:
    (root / "notes" / "a").write_text("bad")
    (root / "notes" / "b").write_text("bad")
    sites = hold(root)
    with pytest.raises(SiteInvalid, match="2 mistakes") as caught:
        sites.current()
    assert "notes/a:1: it says bad. Write good." in str(caught.value)
    assert "notes/b:1" in str(caught.value)
    (root / "notes" / "a").write_text("good")
    (root / "notes" / "b").write_text("good")
    assert set(sites.current().part("notes")) == {"notes/a", "notes/b"}


def test_a_changed_site_is_taken_over(root: Path) -> None:
    sites = hold(root)
    before = sites.current()
    (root / "notes" / "a").write_text("good two")
    (root / "notes" / "b").write_text("good three")
    after = sites.current()
    assert after.version != before.version
    assert after.part("notes") == {"notes/a": "good two", "notes/b": "good three"}
    assert before.part("notes") == {"notes/a": "good one"}


def test_a_change_with_a_mistake_changes_nothing_until_it_is_mended(root: Path) -> None:
    sites = hold(root)
    before = sites.current()
    (root / "notes" / "a").write_text("good two")
    (root / "notes" / "b").write_text("bad")
    assert sites.current() is before
    assert [(p.path, p.line) for p in sites.problems if p.severity == "error"] == [("notes/b", 1)]
    (root / "notes" / "b").write_text("good")
    assert sites.current().part("notes") == {"notes/a": "good two", "notes/b": "good"}
    assert all(p.severity == "warning" for p in sites.problems)


def test_a_change_that_is_taken_back_clears_its_problems(root: Path) -> None:
    sites = hold(root)
    before = sites.current()
    (root / "notes" / "b").write_text("bad")
    sites.current()
    (root / "notes" / "b").unlink()
    assert sites.current() is before
    assert all(p.severity == "warning" for p in sites.problems)


def test_mistakes_are_logged_once_for_each_change_and_a_takeover_is_logged(root: Path) -> None:
    sites = hold(root)
    sites.current()
    with capture_logs() as lines:
        (root / "notes" / "b").write_text("bad")
        for _ in range(5):
            sites.current()
        refused = [line for line in lines if line["event"] == "site not taken over"]
        assert [line["problem"].startswith("notes/b:1") for line in refused if line["severity"] == "error"] == [True]
        (root / "notes" / "b").write_text("good")
        sites.current()
    assert [line["event"] for line in lines][-1] == "site taken over"


def test_a_folder_that_goes_away_changes_nothing(root: Path) -> None:
    sites = hold(root)
    before = sites.current()
    root.rename(root.with_name("moved"))
    assert sites.current() is before
    assert any("does not exist" in p.what for p in sites.problems)
    root.with_name("moved").rename(root)
    assert sites.current().version == before.version


def test_the_folder_is_looked_at_no_more_often_than_asked(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = 1000.0
    monkeypatch.setattr("tasks.site.holder.time.monotonic", lambda: clock)
    sites = hold(root, every=5)
    before = sites.current()
    (root / "notes" / "a").write_text("good two")
    clock += 4.9
    assert sites.current() is before
    clock += 0.2
    assert sites.current().part("notes") == {"notes/a": "good two"}


def test_a_file_replaced_with_one_of_the_same_size_and_time_is_seen(root: Path) -> None:
    sites = hold(root)
    sites.current()
    facts = (root / "notes" / "a").stat()
    (root / "new").write_text("good TWO")
    os.utime(root / "new", ns=(facts.st_atime_ns, facts.st_mtime_ns))
    (root / "new").replace(root / "notes" / "a")
    assert sites.current().part("notes") == {"notes/a": "good TWO"}


def test_a_site_that_changes_while_it_is_read_is_taken_over_later_as_a_whole(root: Path) -> None:
    writes = iter(["good three"])

    def read_slowly(files: Mapping[str, bytes], context: SiteContext) -> tuple[Any, list[Problem]]:
        if files["notes/a"] == b"good two":
            for text in writes:
                (root / "notes" / "b").write_text(text)
        return read_notes(files, context)

    sites = SiteHolder(root, (Part("notes", ("notes/*",), read_slowly),), {}, {}, every_seconds=0)
    before = sites.current()
    (root / "notes" / "a").write_text("good two")
    assert sites.current() is before
    assert sites.current().part("notes") == {"notes/a": "good two", "notes/b": "good three"}


def test_a_folder_that_never_comes_to_rest_is_refused_at_the_start(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holding, "PAUSE_SECONDS", 0.0)
    turns = itertools.count()

    def scribble(files: Mapping[str, bytes], context: SiteContext) -> tuple[Any, list[Problem]]:
        (root / "notes" / "a").write_text(f"good {next(turns)}")
        return read_notes(files, context)

    sites = SiteHolder(root, (Part("notes", ("notes/*",), scribble),), {}, {}, every_seconds=0)
    with pytest.raises(SiteInvalid, match="changes all the time"):
        sites.current()


def test_a_settled_folder_is_not_read_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holding, "SETTLED_NS", -1_000_000_000)
    reads = itertools.count()

    def count(files: Mapping[str, bytes], context: SiteContext) -> tuple[Any, list[Problem]]:
        next(reads)
        return read_notes(files, context)

    sites = SiteHolder(root, (Part("notes", ("notes/*",), count),), {}, {}, every_seconds=0)
    for _ in range(10):
        sites.current()
    assert next(reads) == 1


def test_many_threads_get_whole_sites_only(root: Path) -> None:
    (root / "notes" / "b").write_text("good one")
    sites = hold(root)
    seen: list[set[str]] = []
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            seen.append(set(sites.current().part("notes").values()))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(10):
        text = f"good {number}"
        (root / "fresh").mkdir()
        for name in "ab":
            (root / "fresh" / name).write_text(text)
        (root / "notes").rename(root / "old")
        (root / "fresh").rename(root / "notes")
        for name in "ab":
            (root / "old" / name).unlink()
        (root / "old").rmdir()
    stop.set()
    for thread in threads:
        thread.join(10)
    assert all(len(values) <= 1 for values in seen)
    assert sites.current().part("notes")["notes/a"] == "good 9"


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holding, "_holder", None)


@pytest.mark.usefixtures("fresh")
def test_a_process_works_by_the_site_that_was_installed(root: Path) -> None:
    with pytest.raises(Permanent, match="no site yet"):
        holding.current()
    sites = hold(root)
    holding.install(sites)
    assert holding.current() is sites.current()
