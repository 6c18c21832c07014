"""Servers of a test's own, on free ports and in a folder of its own: they may be stopped and killed."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
import uuid
from pathlib import Path
from typing import Self

import psycopg
import pytest

_RABBITMQ = Path("/usr/lib/rabbitmq/bin")
_POSTGRESQL = sorted(Path("/usr/lib/postgresql").glob("*/bin")) if Path("/usr/lib/postgresql").is_dir() else []


def free_port() -> int:
    """A TCP port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class RabbitNode:
    """A RabbitMQ node. Use it in a ``with`` statement; skips where RabbitMQ is not installed or not ours to start."""

    def __init__(self, folder: Path, plugins: tuple[str, ...] = ()) -> None:
        if not (_RABBITMQ / "rabbitmq-server").exists() or os.geteuid() != 0:
            pytest.skip("a RabbitMQ node of the test's own needs Debian's rabbitmq-server and root")
        folder.mkdir()
        self.port = free_port()
        (folder / "plugins").write_text(f"[{','.join(plugins)}].\n")
        (folder / "rabbitmq.conf").write_text(f"listeners.tcp.1 = 127.0.0.1:{self.port}\n")
        self._environment = {
            **os.environ,
            "HOME": str(folder),
            "RABBITMQ_NODENAME": f"chaos{uuid.uuid4().hex[:6]}@localhost",
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": os.devnull,
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_ERLANG_COOKIE": uuid.uuid4().hex,
        }
        self._folder = folder

    @property
    def url(self) -> str:
        """Its address for a client."""
        return f"amqp://guest:guest@127.0.0.1:{self.port}"

    @property
    def host(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start it and wait until it takes connections."""
        with (self._folder / "output").open("ab") as output:
            command = [str(_RABBITMQ / "rabbitmq-server")]
            self._process = subprocess.Popen(
                command, env=self._environment, stdout=output, stderr=output, start_new_session=True
            )
        self.control("await_startup", timeout=90)

    def stop(self) -> None:
        """Stop it in an orderly way; it keeps its data."""
        if self._process.poll() is None:
            self.control("stop", timeout=60)
            self._process.wait(30)

    def control(self, *command: str, timeout: float = 60) -> str:
        """Run ``rabbitmqctl`` on this node."""
        tool = [str(_RABBITMQ / "rabbitmqctl"), "--quiet", *command]
        deadline = time.monotonic() + timeout
        while True:
            done = subprocess.run(tool, env=self._environment, capture_output=True, text=True, check=False)
            if done.returncode == 0:
                return done.stdout
            assert command[0] == "await_startup", done.stderr
            assert time.monotonic() < deadline, f"{done.stderr}\n{(self._folder / 'output').read_text()[-2000:]}"
            time.sleep(0.5)


class PostgresCluster:
    """A PostgreSQL cluster that may be killed. Use it in a ``with`` statement; skips where it cannot be had."""

    def __init__(self) -> None:
        if not _POSTGRESQL or os.geteuid() != 0:
            pytest.skip("a PostgreSQL cluster of the test's own needs Debian's postgresql and root")
        self._folder = Path("/tmp") / f"catchment-pg-{uuid.uuid4().hex[:8]}"
        self.port = free_port()

    @property
    def url(self) -> str:
        """The address of its database."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def __enter__(self) -> Self:
        self._folder.mkdir()
        shutil.chown(self._folder, "postgres", "postgres")
        self._run("initdb", "-D", self._data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._run("pg_ctl", "-D", self._data, "-m", "immediate", "stop", check=False)
        shutil.rmtree(self._folder, ignore_errors=True)

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        options = f"-p {self.port} -k {self._folder} -c listen_addresses=127.0.0.1"
        self._run("pg_ctl", "-D", self._data, "-l", str(self._folder / "log"), "-w", "-o", options, "start")

    def crash(self) -> None:
        """End it as a power cut would, without writing anything more."""
        self._run("pg_ctl", "-D", self._data, "-m", "immediate", "-w", "stop")

    @property
    def _data(self) -> str:
        return str(self._folder / "data")

    def _run(self, tool: str, *arguments: str, check: bool = True) -> None:
        command = [str(_POSTGRESQL[-1] / tool), *arguments]
        subprocess.run(
            command,
            check=check,
            cwd="/",
            user="postgres",
            group="postgres",
            extra_groups=[],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


def backends(url: str) -> list[int]:
    """The process ids of the connections to a database, our own excepted."""
    with psycopg.connect(url, autocommit=True) as connection:
        query = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        return [pid for (pid,) in connection.execute(query)]
