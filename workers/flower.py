"""Start Flower with a password of its own, on loopback: ``python -m workers.flower``."""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path

from tasks.site.load import site_root
from tasks.site.settings import Settings
from workers.embedded import wait_for_broker
from workers.installation import load_settings

#: Tasks that Flower keeps in memory.
MAX_TASKS = 10_000


def password_file(settings: Settings, root: Path) -> Path:
    """The file that holds Flower's password; one with a random password is made in ``var/`` where none is named."""
    if settings.flower.password_file is not None:
        return root / settings.flower.password_file
    path = root / settings.var / "flower.password"
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(24) + "\n")
    return path


def main() -> int:
    """Become Flower. The password goes by the environment: a command line can be read by every user."""
    root = site_root()
    settings = load_settings(root)
    wait_for_broker(settings, root)
    flower = settings.flower
    password = password_file(settings, root).read_text().strip()
    environment = os.environ | {"FLOWER_BASIC_AUTH": f"{flower.user}:{password}"}
    command = [
        sys.executable,
        "-m",
        "celery",
        "-A",
        "workers.app",
        "flower",
        f"--address={flower.host}",
        f"--port={flower.port}",
        f"--max_tasks={MAX_TASKS}",
        "--enable_events",
        "--logging=warning",
    ]
    print(
        f"flower on http://{flower.host}:{flower.port} as {flower.user}, password in {password_file(settings, root)}",
        flush=True,
    )
    os.execve(sys.executable, command, environment)  # noqa: S606 - an argument vector of our own, no shell


if __name__ == "__main__":
    sys.exit(main())
