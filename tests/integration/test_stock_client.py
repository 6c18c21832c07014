"""The stock OpenStack client with ESI Leap's plugin, and the published polling script, against Catchment.

The client is no dependency of Catchment. CATCHMENT_OPENSTACK_CLIENT names its ``openstack`` command; without it the
one beside this Python or on the path is taken, if it has the plugin.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from examples.cloud.running import Cloud, clouds_yaml
from examples.cloud.world import World
from examples.esi.leases import LESSEE
from tasks.ledger import tokens
from tasks.ledger.session import Ledger
from tests.conftest import CORPUS
from tests.integration.test_leap_history import capture
from tests.leap_way import LeapWay, write
from tests.unit.esi_leap.leap_ground import END, message
from workers.web.app import create_app

pytestmark = [pytest.mark.corpus, pytest.mark.slow]

TO_INSTALL = "install python-openstackclient and python-esileapclient, or name their openstack command in " \
    "CATCHMENT_OPENSTACK_CLIENT"  # fmt: skip
_CAPTURED = re.compile(r"^\$ openstack (.+?)\n(.*?)^rc=(\d+)$", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def openstack() -> Path:
    """The ``openstack`` command with the plugin; skips where there is none."""
    beside = Path(sys.executable).with_name("openstack")
    named = os.environ.get("CATCHMENT_OPENSTACK_CLIENT")
    found = named or (str(beside) if beside.exists() else shutil.which("openstack"))
    if found is None:
        pytest.skip(f"there is no openstack command: {TO_INSTALL}")
    done = subprocess.run([found, "esi", "event", "list", "--help"], capture_output=True, text=True, check=False)
    if "--last-event-id" not in done.stdout:
        pytest.skip(f"{found} has no plugin for ESI Leap: {TO_INSTALL}")
    return Path(found)


class Served:
    """The captured rows behind the tenants' API, and the client pointed at it."""

    def __init__(self, way: LeapWay, url: str, command: Path, tokens_by_name: dict[str, str]) -> None:
        self.way, self.url, self._command, self._tokens = way, url, command, tokens_by_name

    def environment(self, who: str) -> dict[str, str]:
        """What points the client here."""
        return {
            "PATH": f"{self._command.parent}:{os.environ['PATH']}",
            "HOME": str(self.way.root),
            "OS_AUTH_TYPE": "admin_token",
            "OS_TOKEN": self._tokens[who],
            "OS_ENDPOINT": self.url,
        }

    def run(self, *arguments: str, who: str = "all", **environment: str) -> tuple[int, str]:
        """Exit status and all that the client printed."""
        done = subprocess.run(
            [str(self._command), *arguments], capture_output=True, text=True, check=False, timeout=120,
            env={**self.environment(who), **environment},
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def served(openstack: Path, empty_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    if not CORPUS.is_dir():
        pytest.skip("the captured messages are not beside this source tree")
    root = tmp_path_factory.mktemp("stock")
    ledger = Ledger(f"sqlite:///{shutil.copy(empty_sqlite, root / 'ledger.db')}")
    way = LeapWay(ledger, root, "[one]\nevents = none\nscript = /bin/true\n")
    way.catch(*capture(CORPUS.resolve(), "events-admin"))
    with ledger.transaction() as session:
        made = {
            name: tokens.make(session, name, "view", project) for name, project in (("all", None), ("mine", LESSEE))
        }
    settings = way.site.settings.model_copy(update={"var": root})
    with listening(create_app(ledger, settings, key=b"k" * 32)) as url:
        yield Served(way, url, openstack, made)
    ledger.close()


@contextmanager
def listening(app: Any) -> Iterator[str]:
    """The application on a port of its own."""
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, access_log=False))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


def commands(corpus: Path) -> list[tuple[list[str], str, int]]:
    """The captured commands with what the real service's client printed."""
    text = (corpus / "esi/event-list.txt").read_text()
    found = [(m[1], m[2].rstrip("\n"), int(m[3])) for m in _CAPTURED.finditer(text)]
    assert len(found) >= 10
    return [(arguments(line), printed, status) for line, printed, status in found]


def arguments(line: str) -> list[str]:
    """The words of a captured command line, in which titles of two words stand without quotes."""
    return re.findall(r"-c (?:ID|[A-Z]\w+ [A-Z]\w+)|\S+", line.replace("-c ID", "-c=ID"))


def words(line: list[str]) -> list[str]:
    split: list[str] = []
    for word in line:
        split += word.replace("-c=ID", "-c ID").split(" ", 1) if word.startswith("-c") else [word]
    return split


def test_check_02_the_client_prints_what_it_prints_for_the_service_itself(served: Served, corpus: Path) -> None:
    for line, printed, status in commands(corpus):
        given = words(line)
        if "--project" in given:
            given[given.index("--project") + 1] = LESSEE  # There is no Keystone to resolve a name.
        # The capture was made by a user of one project.
        code, said = served.run(*given, who="mine")
        said = said.rstrip("\n").replace(served.url, "http://127.0.0.1:17777")
        if "--project" in given:
            # The one difference in lists: ours ascend.
            assert said.split() == sorted(printed.split(), key=int), given
        else:
            assert (code, said) == (status, printed), given


def test_the_client_of_one_project_gets_its_own_events(served: Served) -> None:
    _, said = served.run("esi", "event", "list", "-f", "json", who="mine")
    rows = json.loads(said)
    assert {LESSEE in (row["Lessee ID"], row["Owner ID"]) for row in rows} == {True}
    assert 0 < len(rows) < 22


def test_a_bad_token_is_told(served: Served) -> None:
    code, said = served.run("esi", "event", "list", OS_TOKEN="nonsense")
    assert code == 1
    assert "requires authentication" in said


def test_the_client_signs_in_with_a_name_and_a_token_as_its_password(served: Served) -> None:
    token = served.environment("mine")["OS_TOKEN"]
    code, said = served.run(
        "--os-auth-type", "http_basic", "--os-username", "me", "--os-password", token, "--os-endpoint", served.url,
        "esi", "event", "list", "-f", "value", "-c", "ID", OS_TOKEN="",
    )  # fmt: skip
    assert code == 0, said
    assert said.split()[:3] == ["1", "2", "3"]


def test_the_published_polling_script_runs_unchanged_and_tells_each_event_once(served: Served, tmp_path: Path) -> None:
    sources = Path(__file__).resolve().parents[2] / "../shared/sources"
    found = [text for path in sorted(sources.glob("004_*")) for text in [path.read_text()]] if sources.is_dir() else []
    if not found:
        pytest.skip("the published script is not beside this source tree")
    script = found[0][found[0].index("import json\nimport subprocess") :]
    (tmp_path / "poll.py").write_text(script)
    for lines in (True, False):
        done = subprocess.run([sys.executable, "poll.py"], cwd=tmp_path, env=served.environment("all"),
                              capture_output=True, text=True, check=False, timeout=300)  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert bool(done.stdout) is lines
    assert (tmp_path / ".esi-last-event-id").read_text() == "22"


def test_with_keystone_the_client_finds_us_in_the_catalogue_and_sees_its_own_project(
    openstack: Path, ledger: Ledger, tmp_path: Path
) -> None:
    pytest.importorskip("keystonemiddleware", reason="keystonemiddleware is not installed")
    with Cloud(World(seed=1)) as cloud:
        way = LeapWay(ledger, tmp_path, "[one]\nevents = none\nscript = /bin/true\n")
        research = cloud.world.project("research").id
        way.catch(message(END, message_id="a"), message(END, project_id=research, uuid="lease-of-research"))
        write(tmp_path / "clouds.yaml", clouds_yaml(cloud.url))
        web = way.site.settings.web.model_copy(update={"keystone_cloud": "demo"})
        settings = way.site.settings.model_copy(update={"var": tmp_path, "web": web})
        with listening(create_app(ledger, settings, tmp_path, key=b"k" * 32)) as url:
            cloud.world.elsewhere["lease"] = url
            served = Served(way, url, openstack, {"all": ""})
            write(tmp_path / "mine.yaml", clouds_yaml(cloud.url, user="alice", project="research"))
            signed_in = {"OS_CLIENT_CONFIG_FILE": str(tmp_path / "mine.yaml"), "OS_CLOUD": "demo"}
            without = dict.fromkeys(("OS_AUTH_TYPE", "OS_TOKEN", "OS_ENDPOINT"), "")
            code, said = served.run("esi", "event", "list", "-f", "json", **without, **signed_in)
            assert code == 0, said
            [row] = json.loads(said)
            assert (row["Lessee ID"], row["Object UUID"]) == (research, "lease-of-research")
            code, said = served.run("esi", "lease", "show", "lease-of-research", "-f", "json", **without, **signed_in)
            assert code == 0, said
            assert json.loads(said)["purpose"] == "test"
