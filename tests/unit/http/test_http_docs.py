"""What docs/monitors.md and docs/plugins.md show can be used as it stands."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pytest_httpserver import HTTPServer

from tasks.providers.http.converter import HttpConverter
from tasks.providers.table import kinds
from tasks.site.clouds import Clouds
from tasks.site.providers import providers_of
from tests.unit.http.http_service import Reader
from workers.cli.new import paths, texts

DOCS = Path(__file__).resolve().parents[3] / "docs"


def section(page: str, heading: str) -> str:
    text = (DOCS / page).read_text(encoding="utf-8")
    return text.split(f"\n## {heading}\n")[1].split("\n## ")[0]


def shown() -> str:
    block = re.search(r"```yaml\n(.*?)```", section("monitors.md", "Any event service over HTTP"), re.DOTALL)
    assert block is not None
    return block.group(1)


def test_the_shown_provider_is_twenty_lines_and_can_be_used(tmp_path: Path, httpserver: HTTPServer) -> None:
    text = shown()
    assert 15 <= len(text.splitlines()) <= 20
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "rooms").write_text("k")
    event = {
        "id": "e1",
        "action": "opened",
        "happened_at": "2024-03-04T05:06:07Z",
        "data": {"room": {"id": "r1"}, "project": "red"},
    }
    httpserver.expect_ordered_request(
        "/v1/events", query_string={"site": "berlin", "page": "1", "per_page": "100"}, headers={"X-Api-Key": "k"}
    ).respond_with_json({"events": [event]})
    httpserver.expect_ordered_request("/v1/events").respond_with_json({"events": []})
    # The address and the authority are those of the example's own world.
    text = text.replace("https://events.example.org", httpserver.url_for("").rstrip("/"))
    found, problems = providers_of(text.encode(), tmp_path, kinds(), Clouds())
    assert problems == []
    reader = Reader(found["rooms"])
    reader.poll()
    converter = HttpConverter(found["rooms"].options)
    [message] = converter.unwrap(json.dumps(reader.rows[0]))
    facts = converter.convert(message)
    assert (facts.message_id, facts.event_type, facts.resource_id) == ("e1", "room.opened", "r1")
    assert (facts.resource_kind, facts.tenant_id, converter.source) == ("room", "red", "ROOMS")


def test_every_option_that_the_page_names_is_one() -> None:
    known = {"auth", "cursor", "paging", "mapping", *kinds()["http"].options.model_fields}
    table = [
        line for line in section("monitors.md", "Any event service over HTTP").splitlines() if line.startswith("| `")
    ]
    named = [word for line in table for word in re.findall(r"`([a-z_.]+)`", line.split("|")[1])]
    assert len(named) > 8
    options: dict[str, Any] = kinds()["http"].options.model_fields
    for word in named:
        top, _, inner = word.partition(".")
        assert top in known, word
        if inner:
            assert inner in options[top].annotation.model_fields, word


def test_the_shown_monitor_is_that_of_a_new_package() -> None:
    block = re.search(r"```python\n(def batches.*?)```", (DOCS / "plugins.md").read_text(encoding="utf-8"), re.DOTALL)
    assert block is not None
    monitor = texts("rooms")["catchment_rooms/monitor.py"]
    for line in block.group(1).splitlines()[1:]:
        assert line.strip() in monitor, line


def test_the_files_that_the_page_lists_are_those_of_a_new_package() -> None:
    listed = set(re.findall(r"^\| `([^`]+)`", section("plugins.md", "Begin"), re.MULTILINE))
    assert listed <= set(paths("rooms"))
    assert {path for path in paths("rooms") if path.startswith("catchment_rooms/")} - listed == {
        "catchment_rooms/__init__.py"
    }


@pytest.mark.parametrize("page", ["monitors.md", "plugins.md"])
def test_links_to_the_other_page_lead_somewhere(page: str) -> None:
    for target, anchor in re.findall(r"\]\(([a-z]+\.md)(?:#([a-z-]+))?\)", (DOCS / page).read_text(encoding="utf-8")):
        headings = re.findall(r"^#+ (.*)$", (DOCS / target).read_text(encoding="utf-8"), re.MULTILINE)
        anchors = {re.sub(r"[^a-z -]", "", heading.lower()).replace(" ", "-") for heading in headings}
        assert not anchor or anchor in anchors, (target, anchor)


def test_the_plugin_s_provider_has_the_keys_of_its_options() -> None:
    block = re.search(r"```yaml\n(.*?)```", (DOCS / "plugins.md").read_text(encoding="utf-8"), re.DOTALL)
    assert block is not None
    [entry] = yaml.safe_load(block.group(1))["providers"]
    options = texts("rooms")["catchment_rooms/options.py"]
    assert all(f"    {key}: " in options for key in entry if key not in ("name", "type"))
