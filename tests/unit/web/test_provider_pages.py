"""The forms of providers: made from their options, checked by the site's reader, and writing nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.web.test_pages import Tags
from tests.unit.web.web_ground import EVIL, KEY, Ground, TestClient, form_token, standing
from workers.web.app import create_app
from workers.web.pace import Pace

FILE = """\
# ours
providers:
  - name: rooms
    type: http
    url: https://events.example.org/v1
    auth:
      by: bearer
      token: plain-hunter2
    ignore: [room.cleaned]
    parameters: {api_key: plain-hunter3}
  - name: bus
    type: openstack
    amqp:
      urls: ["amqp://u:plain-hunter4@mq"]
"""


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    with standing(tmp_path) as found:
        root = tmp_path / "site"
        root.mkdir()
        (root / "providers.yaml").write_text(FILE)
        settings = found.app.state.web.settings
        pace = Pace(pause_seconds=0.0, clock=lambda: found.now.timestamp())
        found.app = create_app(found.ledger, settings, root, key=KEY, now=lambda: found.now, pace=pace)
        yield found


def post(browser: TestClient, path: str, **fields: str) -> str:
    token = form_token(browser, "/")
    answer = browser.post(path, data={"form_token": token, **{k.replace("__", "."): v for k, v in fields.items()}})
    assert answer.status_code == 200, answer.text
    return str(answer.text)


def unchanged(ground: Ground) -> None:
    assert (ground.app.state.web.root / "providers.yaml").read_text() == FILE


def test_a_form_is_made_from_the_options_of_each_kind(ground: Ground) -> None:
    browser = ground.browser("boss")
    page = browser.get("/providers/new").text
    assert "<option>http</option>" in page
    form = browser.get("/providers/new?type=http").text
    for path in ("url", "auth.token", "mapping.message_id", "paging.by"):
        assert f'name="{path}"' in form
    assert "How to sign in" not in form, "a section is its fields"
    assert "JMESPath in the answer" in form
    assert browser.get("/providers/new?type=nothing").status_code == 404


def test_a_good_entry_is_shown_with_its_command_and_not_written(ground: Ground) -> None:
    page = post(
        ground.browser("boss"), "/providers/new", type="http", name="doors", url="https://h/e",
        auth__by="bearer", auth__token="${file:secrets/doors}", tls__verify="false",
    )  # fmt: skip
    assert "catchment providers add doors --type http --set url=https://h/e" in page
    assert "token: ${file:secrets/doors}" in page
    assert "verify: false" in page
    unchanged(ground)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"name": "doors"}, "the key &#39;url&#39; is missing"),
        ({"name": "Doors!", "url": "https://h/"}, "the name cannot be used"),
        ({"name": "rooms", "url": "https://h/"}, "there is a provider &#39;rooms&#39; already"),
        ({"name": "doors", "url": "ftp://h"}, "write it as https://host"),
        ({"name": "doors", "url": "https://h/", "nonsense": "x"}, "does not know"),
        ({"name": "doors", "url": "https://h/", "auth__by": "basic"}, "needs user and password"),
    ],
)
def test_a_mistake_is_told(ground: Ground, fields: dict[str, str], words: str) -> None:
    page = post(ground.browser("boss"), "/providers/new", type="http", **fields)
    assert words in page
    assert "What to write" not in page
    unchanged(ground)


def test_a_secret_in_clear_is_refused_and_forgotten(ground: Ground) -> None:
    page = post(
        ground.browser("boss"), "/providers/new", type="http", name="d", url="https://h/", auth__token="hunter9"
    )
    assert "auth.token: give a reference" in page
    assert "hunter9" not in page


def test_nobody_learns_which_files_there_are(ground: Ground) -> None:
    fields = {"type": "http", "name": "doors", "url": "https://h/e", "auth__by": "bearer"}
    browser = ground.browser("boss")
    pages = [
        post(browser, "/providers/new", **fields, auth__token=f"${{file:{path}}}").replace(path, "X")
        for path in ("/etc/hostname", "/etc/nosuchfile")
    ]
    assert pages[0] == pages[1]


@pytest.mark.parametrize("name", ["rooms", "bus"])
def test_a_provider_is_edited_without_its_secrets_being_shown(ground: Ground, name: str) -> None:
    page = ground.browser("boss").get(f"/providers/{name}/edit").text
    assert "plain-hunter" not in page
    if name == "rooms":
        assert 'value="https://events.example.org/v1"' in page
        assert "<option selected>bearer</option>" in page
        assert "room.cleaned" in page


def test_changes_end_in_a_command_and_leave_what_is_not_shown_alone(ground: Ground) -> None:
    browser = ground.browser("boss")
    page = post(
        browser, "/providers/rooms/edit", url="https://other.example.org/", ignore="", auth__by="bearer",
        auth__token="", parameters="",
    )  # fmt: skip
    assert "catchment providers edit rooms --set url=https://other.example.org/ --unset ignore" in page
    assert "plain-hunter" not in page
    assert "nothing was changed" in post(browser, "/providers/rooms/edit", url="https://events.example.org/v1")
    page = post(browser, "/providers/rooms/edit", auth__header="X-Key")
    assert "does not use header" in page
    assert "plain-hunter" not in page
    assert browser.get("/providers/none/edit").status_code == 404
    unchanged(ground)


def test_only_admins_of_the_whole_installation_see_the_forms(ground: Ground) -> None:
    for name in ("viewer", "operator", "red"):
        assert ground.browser(name).get("/providers/new").status_code == 403
        assert ground.browser(name).get("/providers/rooms/edit").status_code == 403
        assert "/providers/new" not in ground.browser(name).get("/").text
    assert 'href="/providers/new"' in ground.browser("boss").get("/").text


def test_a_form_without_its_token_changes_nothing(ground: Ground) -> None:
    assert ground.browser("boss").post("/providers/new", data={"type": "http"}).status_code == 403


def test_hostile_text_is_escaped_and_fields_have_labels(ground: Ground) -> None:
    browser = ground.browser("boss")
    page = post(browser, "/providers/new", type="http", name=EVIL[:60], url=EVIL, **{f"x{EVIL[:20]}": EVIL})
    for text in (page, browser.get("/providers/rooms/edit").text):
        tags = Tags(text)
        assert tags.open == []
        assert EVIL not in text
        labels = {attributes.get("for") for tag, attributes in tags.found if tag == "label"}
        fields = [a for tag, a in tags.found if tag in {"input", "select"} and a.get("type") != "hidden"]
        assert all(attributes.get("id") in labels for attributes in fields)
