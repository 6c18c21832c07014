"""``providers.yaml`` and ``clouds.yaml``: every mistake with its line, and no secret in any of them."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any, ClassVar

import pytest
from pydantic import BaseModel, Field, SecretStr

from tasks.providers.contracts import ProviderConfig, ProviderKind
from tasks.site.clouds import Clouds, clouds_of
from tasks.site.contracts import Problem
from tasks.site.providers import providers_of


class Options(BaseModel, extra="forbid"):
    monitor: str = "auto"
    region: str | None = Field(None, description="Region of the cloud.")
    poll_seconds: float = Field(20.0, gt=0, description="Pause between two questions.")
    amqp_url: SecretStr | None = None


class Bus:
    name: ClassVar[str] = "amqp"


KINDS = {"openstack": ProviderKind("openstack", None, Options, (Bus,), None)}  # type: ignore[arg-type]  # no converter is called here
CLOUDS = Clouds(frozenset({"mycloud", "other"}))


def read(text: str, clouds: Clouds = CLOUDS, root: Path = Path()) -> tuple[dict[str, ProviderConfig], list[Problem]]:
    return providers_of(text.encode(), root, KINDS, clouds)


GOOD = """\
providers:
  - name: mycloud
    type: openstack
    cloud: mycloud
    monitor: amqp
    poll_seconds: 5
"""


def test_a_provider_is_read_with_its_checked_options() -> None:
    found, problems = read(GOOD)
    assert problems == []
    provider = found["mycloud"]
    assert (provider.kind, provider.options.monitor, provider.options.poll_seconds) == (
        "openstack",
        "amqp",
        5.0,
    )
    assert provider.session is not None


@pytest.mark.parametrize("text", ["", "providers:\n", "providers: []\n", "# nothing\n"])
def test_no_provider_is_a_warning(text: str) -> None:
    found, problems = read(text)
    assert found == {}
    assert [(p.severity, p.what) for p in problems] == [("warning", "no provider yet")]


def test_a_missing_file_is_a_warning() -> None:
    _, problems = providers_of(None, Path(), KINDS, CLOUDS)
    assert [p.severity for p in problems] == ["warning"]


def broken(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new)


@pytest.mark.parametrize(
    ("text", "line", "what", "mend"),
    [
        ("providers:\n\t- a\n", 2, "no YAML", "Correct"),
        ("- a\n", 1, "no mapping", "providers:"),
        ("provider:\n - a\n", 1, "unknown key 'provider'", "Did you mean 'providers'?"),
        ("providers: yes\n", 1, "no list", "- {name"),
        ("providers:\n  - mycloud\n", 2, "a provider is no mapping", "- {name"),
        (broken("name: mycloud", "nmae: mycloud"), 2, "the key 'name' is missing", "Add it"),
        (broken("name: mycloud", "name: My Cloud!"), 2, "the name cannot be used", "a-z"),
        (broken("name: mycloud", "name: 5"), 2, "the name cannot be used", "a-z"),
        (broken("name: mycloud", "name: internal"), 2, "kept for raised events", "another name"),
        (broken("    type: openstack\n", ""), 2, "the key 'type' is missing", "openstack"),
        (
            broken("type: openstack", "type: opnestack"),
            3,
            "unknown type 'opnestack'",
            "Did you mean 'openstack'?",
        ),
        (
            broken("cloud: mycloud", "cloud: myclod"),
            4,
            "the cloud 'myclod' is not in clouds.yaml",
            "'mycloud'",
        ),
        (broken("cloud: mycloud", "cloud: [a]"), 4, "'cloud' is no text", "clouds.yaml"),
        (broken("monitor: amqp", "monitor: ampq"), 5, "unknown monitor 'ampq'", "Did you mean 'amqp'?"),
        (broken("poll_seconds: 5", "pol_seconds: 5"), 6, "unknown option 'pol_seconds'", "'poll_seconds'"),
        (
            broken("poll_seconds: 5", "poll_seconds: -1"),
            6,
            "poll_seconds: input should be greater",
            "Pause between",
        ),
        (broken("poll_seconds: 5", "region: '${env:NO_SUCH}'"), 6, "NO_SUCH is not set", "Set it"),
        (GOOD + "    poll_seconds: 6\n", 7, "given twice", "Correct"),
    ],
)
def test_a_mistake_has_its_line_and_a_way_to_mend_it(text: str, line: int, what: str, mend: str) -> None:
    found, problems = read(text)
    assert "mycloud" not in found
    matching = [p for p in problems if what in p.what or what == "given twice"]
    assert matching, problems
    assert (matching[0].path, matching[0].line) == ("providers.yaml", line)
    assert mend in matching[0].mend
    assert matching[0].severity == "error"


def test_a_name_given_twice_names_the_other_line() -> None:
    _, problems = read(GOOD + GOOD.removeprefix("providers:\n"))
    assert [(p.line, p.what) for p in problems] == [(7, "the name 'mycloud' is taken by the provider in line 2")]


def test_all_mistakes_come_at_once_and_good_providers_are_still_read() -> None:
    text = GOOD + "  - {name: b, type: x}\n  - {name: internal, type: openstack}\n"
    text += "  - {name: c, type: openstack, z: 1}\n"
    found, problems = read(text)
    assert list(found) == ["mycloud"]
    assert [p.line for p in problems] == [7, 8, 9]


def test_a_cloud_is_not_missed_where_its_file_cannot_be_read() -> None:
    _, problems = read(GOOD, Clouds(readable=False))
    assert problems == []


def test_secrets_of_options_come_by_reference_and_show_nowhere(tmp_path: Path) -> None:
    (tmp_path / "bus").write_text("amqp://u:hunter2@bus/\n")
    found, problems = read(GOOD + '    amqp_url: "${file:bus}"\n', root=tmp_path)
    assert problems == []
    options = found["mycloud"].options
    assert options.amqp_url.get_secret_value() == "amqp://u:hunter2@bus/"
    assert "hunter2" not in repr(found)


def test_the_session_is_made_on_first_use_and_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, Path]] = []

    def cloud_session(cloud: str, clouds_file: Path) -> object:
        asked.append((cloud, clouds_file))
        return object()

    module: Any = types.ModuleType("tasks.providers.openstack.session")
    module.cloud_session = cloud_session
    monkeypatch.setitem(sys.modules, "tasks.providers.openstack.session", module)
    found, _ = read(GOOD, root=tmp_path)
    session = found["mycloud"].session
    assert session is not None
    assert asked == []
    assert session() is session()
    assert asked == [("mycloud", tmp_path / "clouds.yaml")]


def test_clouds_are_named_without_being_opened() -> None:
    text = b"clouds:\n  a:\n    auth: {auth_url: http://k, password: hunter2}\n  b:\n    profile: x\n"
    clouds, problems = clouds_of(text)
    assert clouds.names == {"a", "b"}
    assert problems == []
    assert "hunter2" not in repr(clouds)


@pytest.mark.parametrize("text", [None, b"", b"clouds:\n"])
def test_no_cloud_at_all_is_fine(text: bytes | None) -> None:
    assert clouds_of(text) == (Clouds(), [])


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("clouds: [a]\n", 1, "'clouds' is no mapping"),
        ("cloud:\n  a: {}\n", 1, "the key 'clouds' is missing"),
        ("- a\n", 1, "the key 'clouds' is missing"),
        ("clouds:\n  a: hunter2\n", 2, "the cloud 'a' is no mapping"),
        ("clouds:\n  a:\n    auth: hunter2\n", 3, "'auth' of the cloud 'a' is no mapping"),
        ("clouds:\n  a:\n    region_name: x\n", 2, "the cloud 'a' has no 'auth'"),
        ("clouds:\n  a:\n    auth:\n      password: *hunter2\n", 4, "no YAML"),
        ("clouds:\n  a:\n    auth:\n      password: !hunter2 x\n", 4, "no YAML"),
        ("clouds:\n  a:\n    auth:\n      password: 'hunter2\n", 5, "no YAML"),
        ("clouds:\n  a:\n    auth:\n      hunter2: 1\n      hunter2: 2\n", 5, "no YAML"),
    ],
)
def test_a_mistake_in_clouds_has_its_line_and_tells_no_secret(text: str, line: int, what: str) -> None:
    _, problems = clouds_of(text.encode())
    assert [(p.path, p.line) for p in problems] == [("clouds.yaml", line)]
    assert what in problems[0].what
    assert problems[0].mend
    assert "hunter2" not in str(problems[0])
