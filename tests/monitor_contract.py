"""The contract of monitors as tests, from where packages that bring a monitor take it too."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("tasks.providers.contract_tests")

from tasks.providers.contract_tests import (  # noqa: E402 - after its asserts were made to explain themselves
    Catcher,
    ConnectionContract,
    HeldSource,
    LifeContract,
    MonitorContract,
    Source,
)

__all__ = ["Catcher", "ConnectionContract", "HeldSource", "LifeContract", "MonitorContract", "Source"]
