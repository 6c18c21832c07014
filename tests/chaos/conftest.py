"""What the fault tests share: rounds, a seed that is printed, and the report."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.chaos.report import FAULTS, Fault, Report
from tests.conftest import made_database
from tests.fault_stand import Counters

ROUNDS = int(os.environ.get("ROUNDS", "1"))
#: How long a storm lasts, in seconds.
STORM_SECONDS = float(os.environ.get("STORM_SECONDS", "60"))
_SEED = int(os.environ.get("CHAOS_SEED") or random.SystemRandom().randrange(2**32))
_REPORT = pytest.StashKey[Report]()
_FAULT = pytest.StashKey[Fault]()

Record = Callable[..., None]


def pytest_configure(config: pytest.Config) -> None:
    """One report a session."""
    config.stash[_REPORT] = Report(_SEED)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each fault is tried in so many rounds."""
    if "round_" in metafunc.fixturenames:
        metafunc.parametrize("round_", range(1, ROUNDS + 1), ids=[f"round-{n}" for n in range(1, ROUNDS + 1)])


@pytest.fixture(autouse=True)
def fault(request: pytest.FixtureRequest, round_: int) -> Fault | None:
    """The line of the report that this test writes into, by its ``fault`` marker."""
    marker = request.node.get_closest_marker("fault")
    if marker is None:
        return None
    found = request.config.stash[_REPORT].fault(str(marker.args[0]), marker.args[1])
    request.node.stash[_FAULT] = found
    return found


@pytest.fixture
def seed(round_: int) -> Random:
    """A source of chance that is the same for the same CHAOS_SEED and round."""
    print(f"seed: {_SEED} round: {round_}", flush=True)
    return Random(f"{_SEED}/{round_}")


@pytest.fixture
def record(fault: Fault) -> Record:
    """Put counters and figures of this round into the report, and fail where a promise is broken."""

    def note(found: Counters, sent: int | None = None, **figures: float) -> None:
        fault.counters.append(found.as_dict())
        for name, value in figures.items():
            fault.figures[name.replace("_", " ")].append(value)
        broken = {name: value for name in FAULTS if (value := getattr(found, name))}
        assert not broken, broken
        assert found.exact
        assert sent is None or (found.attempted, found.effects) == (sent, sent)

    return note


@pytest.fixture
def database() -> Iterator[str]:
    """The URL of a PostgreSQL database of this test's own."""
    with made_database() as url:
        yield url


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[Any]) -> Iterator[None]:
    """Count how the round went."""
    outcome: Any = yield
    result = outcome.get_result()
    found = item.stash.get(_FAULT, None)
    if found is None:
        return
    if result.skipped:
        found.skipped += 1
    elif result.failed:
        found.failed += 1
    elif call.when == "call":
        found.passed += 1


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the report, unless nothing was tried."""
    report = session.config.stash.get(_REPORT, None)
    if report is not None and report.lines():
        print("\n" + report.write(Path("build")))
