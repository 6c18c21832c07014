"""The options of an oVirt provider: what they take, and the mistakes that they name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tasks.providers.ovirt.options import OvirtOptions
from tasks.providers.table import kinds
from tasks.site.clouds import Clouds
from tasks.site.providers import providers_of

GOOD = """
providers:
  - name: virt
    type: ovirt
    url: https://engine.example.org/ovirt-engine/api/
    username: catchment@internal
    password: ${file:secrets/engine}
"""


def read(text: str, root: Path) -> tuple[dict[str, Any], list[str]]:
    (root / "secrets").mkdir(exist_ok=True)
    (root / "secrets" / "engine").write_text("sesame\n")
    found, problems = providers_of(text.encode(), root, kinds(), Clouds(frozenset({"mycloud"})))
    return found, [str(problem) for problem in problems]


def test_provider_is_read_and_its_password_shows_nowhere(tmp_path: Path) -> None:
    found, problems = read(GOOD, tmp_path)
    assert problems == []
    options = found["virt"].options
    assert options.url == "https://engine.example.org/ovirt-engine"
    assert options.password.get_secret_value() == "sesame"
    assert "sesame" not in repr(found)
    assert found["virt"].session is None
    assert options.event_skip_history is True


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://e.example.org", "https://e.example.org/ovirt-engine"),
        ("https://e.example.org:8443/", "https://e.example.org:8443/ovirt-engine"),
        ("https://e.example.org/ovirt-engine/", "https://e.example.org/ovirt-engine"),
        ("https://e.example.org/proxy/ovirt-engine/api", "https://e.example.org/proxy/ovirt-engine"),
    ],
)
def test_address_may_be_written_as_people_write_it(url: str, kept: str) -> None:
    assert OvirtOptions(url=url, password="x").url == kept


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("url: ftp://engine", "write it as https://"),
        ("url: https://admin:hunter2@engine.example.org", "without a user or a password"),
        ("url: http://engine.example.org", "in the clear"),
        ("cloud: mycloud", "an engine is in no clouds.yaml"),
        ("ca_file: ca.pem", "by its absolute path"),
        ("insecure: true\n    ca_file: /ca.pem", "no meaning with insecure"),
        ("page_limit: 5", "greater than or equal to 10"),
        ("sign_in: kerberos", "'token' or 'basic'"),
        ("pasword: x", "unknown option 'pasword'"),
        ("monitor: amqp", "unknown monitor 'amqp'"),
    ],
)
def test_mistake_is_named_and_no_secret_repeated(tmp_path: Path, more: str, words: str) -> None:
    key = more.partition(":")[0]
    kept = [line for line in GOOD.splitlines() if not line.strip().startswith(f"{key}:")]
    found, problems = read("\n".join([*kept, f"    {more}"]), tmp_path)
    assert found == {}
    assert any(words in problem for problem in problems)
    assert "hunter2" not in "".join(problems)
