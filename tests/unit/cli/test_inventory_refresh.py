"""``catchment inventory refresh``: everything of a provider, or one kind of it, read by the command itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import update

from examples.cloud.running import Cloud, clouds_yaml
from examples.cloud.world import World
from tasks.ledger.inventory import RefreshTarget
from tasks.model.clock import now
from tests.unit.cli.cli_ground import Site

pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning", "ignore::DeprecationWarning")


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with Cloud(World(seed=13)) as running:
        yield running


@pytest.fixture
def site(tmp_path: Path, cloud: Cloud) -> Iterator[Site]:
    made = Site(tmp_path).made()
    (tmp_path / "clouds.yaml").write_text(clouds_yaml(cloud.url))
    (tmp_path / "providers.yaml").write_text("providers:\n  - {name: lab, type: openstack, cloud: demo}\n")
    yield made
    made.ledger.close()


def test_everything_is_read_and_counted_by_kind(site: Site, cloud: Cloud) -> None:
    read = json.loads(site.run("inventory", "refresh", "lab", "--json").stdout)
    assert (read["server"], read["stack"]) == (len(cloud.world.servers.servers), 0)
    listed = json.loads(site.run("inventory", "--kind", "server", "--json").stdout)
    assert {row["ref"] for row in listed} == set(cloud.world.servers.servers)
    (lab,) = json.loads(site.run("providers", "list", "--json").stdout)
    assert lab["ready"]


def test_one_kind_is_read_alone_and_its_history_shown(site: Site, cloud: Cloud) -> None:
    site.run("inventory", "refresh", "lab")
    server = cloud.world.servers.named("web-1")
    cloud.world.servers.act(server.id, "stop")
    cloud.requests.clear()
    shown = site.run("inventory", "refresh", "lab", "--kind", "server").stdout
    assert shown.split()[-2:] == ["server", str(len(cloud.world.servers.servers))]
    assert not any("network" in asked for asked in cloud.requests)
    history = site.run("inventory", "show", "lab", f"server/{server.id}", "--history").stdout
    assert "status: ACTIVE → SHUTOFF" in history


def test_bar_moves_on_a_terminal(site: Site, cloud: Cloud) -> None:
    told = site.run("inventory", "refresh", "lab", "--kind", "server", FORCE_COLOR="1", TERM="xterm").stderr
    assert "server" in told
    assert "━" in told


def test_list_that_another_worker_reads_is_left_to_it(site: Site, cloud: Cloud) -> None:
    site.run("inventory", "refresh", "lab", "--kind", "server")
    with site.ledger.transaction() as session:
        later = now().replace(year=now().year + 1)
        session.execute(update(RefreshTarget).values(lease_owner="other", lease_until=later))
    cloud.requests.clear()
    assert "another worker reads server" in site.run("inventory", "refresh", "lab", "--kind", "server", code=1).stderr
    assert not cloud.requests


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(("none",), "no provider none"), (("lab", "--kind", "unicorn"), "no kind unicorn")],
)
def test_what_is_not_there_is_said(site: Site, arguments: tuple[str, ...], words: str) -> None:
    assert words in site.run("inventory", "refresh", *arguments, code=2).stderr


def test_cloud_that_does_not_answer_is_said_and_tried_again_by_the_workers(site: Site, cloud: Cloud) -> None:
    cloud.faults.answer(503, times=1000)
    assert "lab" in site.run("inventory", "refresh", "lab", code=2).stderr
    with site.ledger.reading() as session:
        [row] = session.query(RefreshTarget).all()
        assert (row.state, row.attempts, row.lease_owner) == ("wanted", 1, None)


def test_pause_that_the_cloud_asks_for_is_kept_by_hand_as_well(site: Site, cloud: Cloud) -> None:
    cloud.faults.answer(503, times=1, path="/compute/v2.1/servers", retry_after="120")
    site.run("inventory", "refresh", "lab", "--kind", "server", code=2)
    cloud.requests.clear()
    told = site.run("inventory", "refresh", "lab", "--kind", "server", code=2).stderr
    assert "left alone until" in told
    assert not cloud.requests
