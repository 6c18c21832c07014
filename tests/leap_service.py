"""A real ESI Leap in processes of its own: API and manager, SQLite, nodes that are files, and a simulated Keystone."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
import uuid
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import httpx
import pytest

from examples.cloud.running import Cloud, clouds_yaml
from examples.cloud.seed import PASSWORD
from examples.cloud.world import World
from tasks.providers.openstack.session import cloud_session
from tests.rabbit_ground import HOST, PORT, USER
from tests.rabbit_ground import PASSWORD as BUS_PASSWORD
from tests.servers import free_port

#: How long the service may take for a step of its own.
STEP_SECONDS = 60.0
#: Where the service's nodes of files are: release 1.0.0 asks for the folder before it reads its configuration.
NODES = Path("/tmp/nodes")
CONF = """\
[DEFAULT]
host = leaphost
transport_url = fake://
control_exchange = {exchange}
[database]
connection = sqlite:///{folder}/leap.db
[api]
host_ip = 127.0.0.1
port = {port}
api_workers = 1
[oslo_concurrency]
lock_path = {folder}/locks
[oslo_messaging_notifications]
driver = messagingv2
transport_url = rabbit://{user}:{bus_password}@{host}:{bus_port}/
[notification]
versioned_notifications_topics = {topic}
[keystone]
{auth}
[keystone_authtoken]
www_authenticate_uri = {auth_url}
{auth}
"""
AUTH = """\
auth_type = password
auth_url = {auth_url}
username = demo
password = {password}
project_name = demo
user_domain_name = Default
project_domain_name = Default
region_name = RegionOne
"""


def programs() -> Path:
    """The folder of the service's programs: ``ESI_LEAP_BIN``, beside this interpreter, or on the path; else skips."""
    if os.geteuid() == 0 and not shutil.which("setpriv"):
        pytest.skip("root may write to every node, and there is no setpriv to take that right away")
    found = [os.environ.get("ESI_LEAP_BIN"), Path(sys.executable).parent, shutil.which("esi-leap-manager")]
    folders = [Path(each) for each in found if each]
    for folder in (f.parent if f.name == "esi-leap-manager" else f for f in folders):
        if (folder / "esi-leap-manager").exists():
            return folder
    pytest.skip("esi-leap is not installed: install it into a virtual environment and name its bin in ESI_LEAP_BIN")


class LeapService:
    """The service. Use it in a ``with`` statement; it publishes to ``exchange`` with ``topic``."""

    def __init__(self, folder: Path, exchange: str) -> None:
        self._programs, self._folder, self.exchange = programs(), folder, exchange
        self.topic = f"{exchange}-versioned"
        self._cloud = Cloud(World(seed=1))
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._nodes: list[str] = []
        self._port = free_port()
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self._port}", timeout=STEP_SECONDS)

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()
        for process in self._running.values():
            process.terminate()
        for process in self._running.values():
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for node in self._nodes:
            self.file(node).unlink(missing_ok=True)
        self._cloud.stop()

    def _start(self) -> None:
        self._cloud.start()
        self._folder.mkdir()
        NODES.mkdir(exist_ok=True)
        (self._folder / "esi-leap.conf").write_text(self._conf())
        self._run("esi-leap-dbsync", "create_schema").wait(STEP_SECONDS)
        with closing(sqlite3.connect(self._folder / "leap.db")) as database:
            # The service leaves readers open while it writes, which SQLite allows in this mode only.
            database.execute("PRAGMA journal_mode = WAL")
        self.project, self.lessee = (self._cloud.world.project(name).id for name in ("demo", "research"))
        cloud = self._folder / "clouds.yaml"
        cloud.write_text(clouds_yaml(self._cloud.url))
        self.client.headers["X-Auth-Token"] = str(cloud_session("demo", cloud).get_token())
        self._run("esi-leap-api")
        self._wait(self._answers, "the API does not answer")

    def manage(self) -> None:
        """Start the manager: it looks for leases to hand over and to take back at once, and each minute."""
        self._run("esi-leap-manager")

    def rest(self) -> None:
        """Stop the manager, which would try again each minute what failed."""
        manager = self._running.pop("esi-leap-manager")
        manager.terminate()
        manager.wait(STEP_SECONDS)

    def node(self) -> str:
        """Make a node, which is a file; returns its id."""
        key = str(uuid.uuid4())
        self._nodes.append(key)
        told = {"project_owner_id": self.project, "properties": {"vendor": "acme"}, "provision_state": "available"}
        self.file(key).write_text(json.dumps({**told, "power_state": "power off", "resource_class": "metal"}))
        return key

    def file(self, node: str) -> Path:
        """The file of a node."""
        return NODES / node

    def lease(self, name: str, node: str, start: datetime, end: datetime) -> str:
        """Create a lease through the API; returns its id."""
        times = {"start_time": start.isoformat(), "end_time": end.isoformat()}
        wanted = {"name": name, "purpose": "test", "properties": {"vendor": "acme"}, "project_id": self.lessee, **times}
        answer = self.client.post("/v1/leases", json={**wanted, "resource_type": "dummy_node", "resource_uuid": node})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["uuid"])

    def delete(self, lease: str) -> None:
        """Delete a lease through the API."""
        assert self.client.delete(f"/v1/leases/{lease}").status_code == 200

    def rows(self) -> list[tuple[str, str]]:
        """The service's own history, by its API: types and leases."""
        rows = sorted(self.client.get("/v1/events").json()["events"], key=lambda row: row["id"])
        return [(row["event_type"], row["object_uuid"]) for row in rows]

    def wait_for(self, rows: Sequence[tuple[str, str]]) -> None:
        """Wait until the history has these rows, in any order."""
        self._wait(lambda: set(rows) <= set(self.rows()), f"the service did not come to {rows}")

    def _answers(self) -> bool:
        try:
            return self.client.get("/").status_code == 200
        except httpx.TransportError:
            return False

    def _wait(self, holds: Any, complaint: str) -> None:
        deadline = time.monotonic() + STEP_SECONDS
        while not holds():
            logs = {name: (self._folder / f"{name}.log").read_text()[-3000:] for name in self._running}
            assert time.monotonic() < deadline, f"{complaint}\n{logs}"
            time.sleep(0.2)

    def _run(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        command = [str(self._programs / program), *arguments]
        # Root may write to every file but for this right; a node that cannot be written is a fault of the test.
        if os.geteuid() == 0:
            command = ["setpriv", "--bounding-set", "-dac_override", "--inh-caps", "-dac_override", *command]
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "OS_"))}
        clean["HOME"] = str(self._folder)  # The service looks for its file there, and reads it again as it runs.
        with (self._folder / f"{program}.log").open("wb") as log:
            process = subprocess.Popen(command, cwd=self._folder, env=clean, stdout=log, stderr=log)
        self._running[program] = process
        return process

    def _conf(self) -> str:
        auth_url = self._cloud.auth_url
        auth = AUTH.format(auth_url=auth_url, password=PASSWORD)
        bus = {"user": USER, "bus_password": BUS_PASSWORD, "host": HOST, "bus_port": PORT}
        ours = {"folder": self._folder, "exchange": self.exchange, "topic": self.topic, "port": self._port}
        return CONF.format(auth=auth, auth_url=auth_url, **bus, **ours)
