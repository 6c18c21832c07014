"""What the tests of the web process stand on: a ledger with rows in it, and clients with tokens."""

from __future__ import annotations

import atexit
import re
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from fastapi import FastAPI

from tasks.ledger import tokens
from tasks.ledger.migrate import upgrade
from tasks.ledger.session import Ledger
from tasks.site.settings import Settings
from tests.unit.web.web_rows import EVIL, NOW, fill
from workers.web.app import create_app
from workers.web.pace import Pace

with warnings.catch_warnings():
    # Starlette asks for a successor of httpx that not every machine has; with httpx it works as well.
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

BASE = "http://127.0.0.1:8765"
KEY = b"k" * 32


class Ground:
    """One application over one filled ledger, and a token of each sort."""

    def __init__(self, folder: Path) -> None:
        shutil.copy(_filled(), folder / "ledger.db")
        self.ledger = Ledger(f"sqlite:///{folder / 'ledger.db'}")
        self.now = NOW
        self.rings: list[bool] = []
        self.app: FastAPI = create_app(
            self.ledger,
            Settings(var=folder),
            key=KEY,
            ring=lambda: self.rings.append(True),
            now=lambda: self.now,
            pace=Pace(pause_seconds=0.0, clock=lambda: self.now.timestamp()),
        )
        self.token: dict[str, str] = {}
        with self.ledger.transaction() as session:
            for name, role, project in (
                ("viewer", "view", None),
                ("operator", "operate", None),
                ("boss", "admin", None),
                ("red", "view", "red"),
                ("red-op", "operate", "red"),
            ):
                self.token[name] = tokens.make(session, name, role, project, now=NOW)

    def client(self, name: str | None = None, **headers: str) -> TestClient:
        """A client that sends this token with each request, or none."""
        if name is not None:
            headers["Authorization"] = f"Bearer {self.token[name]}"
        return TestClient(self.app, base_url=BASE, headers=headers, follow_redirects=False)

    def browser(self, name: str) -> TestClient:
        """A client that has signed in through the form, as a browser does."""
        client = TestClient(
            self.app, base_url=BASE, headers={"Origin": BASE, "Accept": "text/html"}, follow_redirects=False
        )
        answer = client.post("/signin", data={"token": self.token[name], "form_token": form_token(client, "/signin")})
        assert answer.status_code == 303, answer.text
        return client

    def close(self) -> None:
        """Give the connections back."""
        self.ledger.close()


@cache
def _filled() -> Path:
    """A filled database, made once and copied for each test."""
    path = Path(tempfile.mkdtemp(prefix="catchment-web-")) / "ledger.db"
    atexit.register(shutil.rmtree, path.parent, ignore_errors=True)
    ledger = Ledger(f"sqlite:///{path}")
    upgrade(ledger)
    with ledger.transaction() as session:
        fill(session)
    ledger.close()
    return path


def form_token(client: TestClient, page: str) -> str:
    """The form token of a page, as its first form carries it."""
    found = re.search(r'name="form_token" value="([^"]+)"', client.get(page).text)
    assert found is not None, page
    return found.group(1)


@contextmanager
def standing(folder: Path) -> Iterator[Ground]:
    """A ground that is cleared away at the end."""
    ground = Ground(folder)
    try:
        yield ground
    finally:
        ground.close()


__all__ = ["BASE", "EVIL", "KEY", "NOW", "Ground", "TestClient", "form_token", "standing"]
