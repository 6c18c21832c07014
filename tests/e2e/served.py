"""What the tests of pages in a browser stand on: a web process over a ledger with rows in it, and how one signs in."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Page, expect

from tasks.ledger import tokens
from tasks.ledger.migrate import upgrade
from tasks.ledger.session import Ledger
from tasks.model import clock
from tests.unit.web.web_rows import fill

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Served:
    """A running web process: where it is, its ledger, and a token of a role."""

    process: subprocess.Popen[str]
    address: str
    ledger: Ledger
    token: dict[str, str]


@contextmanager
def serving(site: Path) -> Iterator[Served]:
    """A web process of its own on the site in this folder; it ends with the block."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (site / "catchment.toml").write_text(f"[web]\nport = {port}\n")
    (site / "var").mkdir()
    ledger = Ledger(f"sqlite:///{site / 'var' / 'catchment.db'}")
    upgrade(ledger)
    with ledger.transaction() as session:
        fill(session, clock.now())
        token = {role: tokens.make(session, role, role) for role in ("view", "operate")}
    command = [sys.executable, "-m", "workers.web", "--site", str(site)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert f"http://127.0.0.1:{port}/" in line
        yield Served(process, f"http://127.0.0.1:{port}", ledger, token)
    finally:
        process.kill()
        process.wait()
        ledger.close()


def sign_in(page: Page, served: Served, role: str) -> None:
    """Sign in through the form with the token of this role."""
    page.goto(f"{served.address}/")
    page.get_by_label("Token").fill(served.token[role])
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Status")).to_be_visible()
