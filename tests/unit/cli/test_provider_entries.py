"""``catchment providers add | edit | remove``: nothing is written that the site's reader finds fault with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from pytest_httpserver import HTTPServer

from tasks.site import drafts
from tasks.site.entries import NotEdited
from tests.unit.cli.cli_ground import Site

START = "# ours\nproviders:\n  - name: old   # kept\n    type: webhook\n"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    (tmp_path / "providers.yaml").write_text(START)
    (tmp_path / "token").write_text("geheim")
    return Site(tmp_path)


def text(site: Site) -> str:
    return (site.root / "providers.yaml").read_text()


def entries(site: Site) -> dict[str, dict[str, object]]:
    return {entry["name"]: entry for entry in yaml.safe_load(text(site))["providers"]}


def add(site: Site, *more: str, code: int = 0, name: str = "rooms", kind: str = "http") -> str:
    result = site.run("providers", "add", name, "--type", kind, *more, code=code)
    return result.stdout + result.stderr


GOOD = ("--set", "url=http://h/events", "--set", "auth.by=bearer", "--set", "auth.token=${file:token}")


def test_a_provider_is_added_with_its_options(site: Site) -> None:
    add(site, *GOOD, "--set", "paging.by=next", "--set", "ignore=[a, b]", "--set", "tls.verify=false")
    assert text(site).startswith(START)
    assert entries(site)["rooms"] == {
        "name": "rooms",
        "type": "http",
        "url": "http://h/events",
        "auth": {"by": "bearer", "token": "${file:token}"},
        "paging": {"by": "next"},
        "ignore": ["a", "b"],
        "tls": {"verify": False},
    }
    assert "geheim" not in text(site)
    site.run("check")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--set", "url=nowhere"), "url: write it as https://host"),
        ((), "the key 'url' is missing"),
        (("--set", "urll=http://h/"), "unknown option 'urll'. Did you mean 'url'?"),
        ((*GOOD, "--set", "auth.token=hunter2"), "auth.token: give a reference"),
        ((*GOOD, "--set", "auth.token=${file:absent}"), "the secret file absent does not exist"),
        ((*GOOD, "--set", "timeout_seconds=soon"), "timeout_seconds: this is no number"),
        (("--set", "url"), "write --set KEY=VALUE"),
        (("--set", "name=x"), "name and type are fixed"),
    ],
)
def test_a_mistake_is_told_and_nothing_is_written(site: Site, more: tuple[str, ...], words: str) -> None:
    said = add(site, *more, code=2)
    assert words in said
    assert "hunter2" not in said
    assert text(site) == START


def test_an_unknown_type_and_a_name_that_is_taken_are_told(site: Site) -> None:
    assert "Did you mean 'http'?" in add(site, *GOOD, code=2, kind="htttp")
    assert "already" in add(site, *GOOD, code=2, name="old")
    assert "Known are" in site.run("providers", "add", "x", code=2).stderr


def test_a_dry_run_prints_and_writes_nothing(site: Site) -> None:
    assert yaml.safe_load(add(site, *GOOD, "--dry-run"))[0]["name"] == "rooms"
    assert text(site) == START


def test_options_are_changed_and_taken_out(site: Site) -> None:
    add(site, *GOOD)
    sets = ("auth.by=header", "auth.header=X-Key", "auth.value=${file:token}", "event_skip_history=yes")
    site.run("providers", "edit", "rooms", *(f"--set={each}" for each in sets), "--unset", "auth.token")
    assert entries(site)["rooms"]["auth"] == {"by": "header", "header": "X-Key", "value": "${file:token}"}
    assert entries(site)["rooms"]["event_skip_history"] is True
    assert text(site).startswith(START)
    before = text(site)
    said = site.run("providers", "edit", "rooms", "--unset", "url", code=2).stderr
    assert "the key 'url' is missing" in said
    assert "It names: old, rooms" in site.run("providers", "edit", "none", "--set", "a=b", code=2).stderr
    assert "say what to change" in site.run("providers", "edit", "rooms", code=2).stderr
    assert text(site) == before


def test_a_broken_entry_can_be_mended(site: Site) -> None:
    (site.root / "providers.yaml").write_text(START + "  - name: odd\n    type: http\n  - name: worse\n    type: no\n")
    site.run("providers", "edit", "odd", "--set", "url=http://h/")
    assert entries(site)["odd"]["url"] == "http://h/"


def test_a_provider_is_removed(site: Site) -> None:
    add(site, *GOOD)
    site.run("providers", "remove", "rooms")
    assert text(site) == START


def test_a_file_that_changed_meanwhile_is_not_overwritten(site: Site) -> None:
    with pytest.raises(NotEdited, match="by somebody else"):
        drafts.put(b"x", b"not what is there", site.root)
    assert text(site) == START
    assert [path.name for path in site.root.iterdir() if path.name.startswith(".providers")] == []


def test_the_mode_of_the_file_and_a_link_to_it_stay(site: Site) -> None:
    file = site.root / "providers.yaml"
    real = site.root / "real.yaml"
    file.rename(real)
    real.chmod(0o640)
    file.symlink_to(real.name)
    add(site, *GOOD)
    assert file.is_symlink()
    assert real.stat().st_mode & 0o777 == 0o640


def test_what_is_missing_is_asked_for_on_a_terminal(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    from workers.cli import provider_entries

    class Terminal:
        def isatty(self) -> bool:
            return True

    answers = iter(["http", "http://h/events"])
    monkeypatch.setattr(provider_entries.sys, "stdin", Terminal())
    monkeypatch.setattr(provider_entries.click, "prompt", lambda *a, **k: next(answers))
    monkeypatch.setenv("CATCHMENT_SITE", str(site.root))
    provider_entries.add.callback("asked", None, (), False)  # type: ignore[misc]  # click's own attribute
    assert entries(site)["asked"]["url"] == "http://h/events"


def test_an_added_provider_can_be_tried_at_once(site: Site, httpserver: HTTPServer) -> None:
    row = {"message_id": 1, "event_type": "t"}
    httpserver.expect_request("/events").respond_with_json([row])
    add(site, "--set", f"url={httpserver.url_for('/events')}")
    [found] = json.loads(site.run("providers", "test", "rooms", "--json").stdout)
    assert (found["ok"], found["monitor"]) == (True, "http")
    notes = {step["what"]: step["note"] for step in found["steps"]}
    assert "mapping.timestamp (timestamp) finds no moment" in notes["monitor http"]
