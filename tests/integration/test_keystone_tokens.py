"""Keystone's tokens at the tenants' API, against the simulated cloud's Keystone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from examples.cloud.running import Cloud, clouds_yaml
from examples.cloud.world import World
from tasks.ledger import tokens
from tasks.ledger.session import Ledger
from tasks.model.errors import SiteInvalid
from tasks.providers.openstack.session import cloud_session
from tests.integration.test_leap_history import BASE, TestClient
from tests.leap_way import LeapWay, write
from tests.unit.esi_leap.leap_ground import END, message
from workers.web.app import create_app

pytest.importorskip("keystonemiddleware", reason="keystonemiddleware is not installed")


class Tenants:
    """A cloud, its Keystone, and an installation that trusts it."""

    def __init__(self, cloud: Cloud, ledger: Ledger, root: Path) -> None:
        self.cloud, self.root = cloud, root
        write(root / "clouds.yaml", clouds_yaml(cloud.url))
        self.way = LeapWay(ledger, root, "[one]\nevents = none\nscript = /bin/true\n")
        self.research = cloud.world.project("research").id
        self.way.catch(message(END, message_id="a", project_id=self.research), message(END, message_id="b"))
        settings = self.way.site.settings
        web = settings.web.model_copy(update={"keystone_cloud": "demo"})
        app = create_app(ledger, settings.model_copy(update={"var": root, "web": web}), root, key=b"k" * 32)
        self.client = TestClient(app, base_url=BASE)

    def token(self, user: str, project: str) -> str:
        """A token of a user, as Keystone issues it."""
        file = self.root / f"{user}.yaml"
        write(file, clouds_yaml(self.cloud.url, user=user, project=project))
        return str(cloud_session("demo", file).get_token())

    def get(self, token: str) -> Any:
        return self.client.get("/v1/events", headers={"X-Auth-Token": token})


@pytest.fixture
def tenants(ledger: Ledger, tmp_path: Path) -> Iterator[Tenants]:
    with Cloud(World(seed=1)) as cloud:
        yield Tenants(cloud, ledger, tmp_path)


def test_a_project_is_told_by_keystone_and_an_administrator_sees_all(tenants: Tenants) -> None:
    assert len(tenants.get(tenants.token("demo", "demo")).json()["events"]) == 2
    [own] = tenants.get(tenants.token("alice", "research")).json()["events"]
    assert own["lessee_id"] == tenants.research


def test_a_token_that_keystone_does_not_know_is_refused_with_the_way_to_one(tenants: Tenants) -> None:
    for token in ("nonsense", "x" * 10_000, "é"):
        answer = tenants.client.get("/v1/events", headers={"X-Auth-Token": token.encode()})  # type: ignore[dict-item]
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == f'Keystone uri="{tenants.cloud.auth_url}"'


def test_a_revoked_token_is_refused_at_the_next_request(tenants: Tenants) -> None:
    token = tenants.token("alice", "research")
    assert tenants.get(token).status_code == 200
    tenants.cloud.tokens.revoke(token)
    assert tenants.get(token).status_code == 401


def test_a_token_of_catchments_own_works_beside_and_asks_nobody(tenants: Tenants) -> None:
    with tenants.way.ledger.transaction() as session:
        own = tokens.make(session, "own", "view", tenants.research)
    before = sum(tenants.cloud.requests.values())
    assert len(tenants.get(own).json()["events"]) == 1
    assert sum(tenants.cloud.requests.values()) == before


def test_a_keystone_that_is_down_is_told_and_nobody_is_let_in(tenants: Tenants) -> None:
    token = tenants.token("demo", "demo")
    tenants.cloud.stop()
    answer = tenants.get(token)
    assert answer.status_code == 503
    assert "Keystone does not answer" in answer.json()["faultstring"]


def test_a_cloud_that_clouds_yaml_does_not_name_is_told_at_the_start(ledger: Ledger, tmp_path: Path) -> None:
    write(tmp_path / "clouds.yaml", clouds_yaml("http://127.0.0.1:1"))
    way = LeapWay(ledger, tmp_path, "[one]\nevents = none\nscript = /bin/true\n")
    web = way.site.settings.web.model_copy(update={"keystone_cloud": "elsewhere"})
    with pytest.raises(SiteInvalid, match="elsewhere"):
        create_app(ledger, way.site.settings.model_copy(update={"var": tmp_path, "web": web}), tmp_path)
