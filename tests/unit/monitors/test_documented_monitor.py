"""The monitor that ``docs/monitors.md`` shows to those who write their own keeps the contract."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tasks.model.event import Notification
from tasks.providers.contracts import ProviderConfig
from tasks.providers.openstack.options import OpenStackOptions
from tests.monitor_contract import MonitorContract, Source

_PAGE = Path(__file__).resolve().parents[3] / "docs" / "monitors.md"


def shown() -> Any:
    """The class in the page's first block of Python."""
    block = re.search(r"```python\n(.*?)```", _PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert block is not None
    names: dict[str, Any] = {}
    exec(compile(block.group(1), str(_PAGE), "exec"), names)
    return names["SpoolMonitor"]


class Folder(Source):
    def __init__(self, path: Path) -> None:
        self._path = path

    def provider(self) -> ProviderConfig:
        return ProviderConfig("north", "openstack", OpenStackOptions(monitor_options={"folder": str(self._path)}))

    def unreachable(self) -> ProviderConfig:
        options = OpenStackOptions(monitor_options={"folder": str(self._path / "none")})
        return ProviderConfig("north", "openstack", options)

    def publish(self, names: list[str]) -> None:
        for name in names:
            (self._path / f"{name}.json").write_text(name)

    def name_of(self, notification: Notification) -> str:
        assert isinstance(notification.body, bytes)
        return notification.body.decode()


class TestShown(MonitorContract):
    monitor = shown()

    @pytest.fixture
    def source(self, tmp_path: Path) -> Source:
        return Folder(tmp_path)
