"""``python -m examples.cloud``: run the simulated cloud until it is interrupted."""

from __future__ import annotations

import argparse
import signal
import threading
from pathlib import Path

from examples.cloud.life import Life
from examples.cloud.running import Cloud, clouds_yaml
from examples.cloud.world import World


def main(arguments: list[str] | None = None) -> int:
    """Run the cloud. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m examples.cloud", description="A simulated OpenStack cloud.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: loopback)")
    parser.add_argument("--port", type=int, default=5000, help="port to listen on; 0 takes a free one (default: 5000)")
    parser.add_argument(
        "--pace", type=float, default=1.0, help="seconds between two deeds; 0: nothing happens (default: 1)"
    )
    parser.add_argument("--seed", type=int, default=7, help="the same seed gives the same life (default: 7)")
    parser.add_argument("--token-seconds", type=float, default=3600, help="how long a token is valid (default: 3600)")
    parser.add_argument(
        "--nova-format",
        choices=("unversioned", "versioned", "both"),
        default="both",
        help="nova's notifications",
    )
    parser.add_argument("--clouds-file", type=Path, help="write a clouds.yaml for this cloud to this file")
    parser.add_argument("--quiet", action="store_true", help="do not tell what happens")
    given = parser.parse_args(arguments)
    world = World(given.seed, nova_format=given.nova_format)
    stop, rest = threading.Event(), threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: (rest.set(), stop.set()))
    # Lets a demonstration end: nothing happens any more, and the cloud still answers.
    signal.signal(signal.SIGUSR1, lambda *_: rest.set())
    try:
        cloud = Cloud(world, host=given.host, port=given.port, token_seconds=given.token_seconds)
    except OSError as mistake:
        parser.error(f"cannot listen on {given.host} port {given.port}: {mistake.strerror}; choose another with --port")
    with cloud:
        if given.clouds_file:
            given.clouds_file.write_text(clouds_yaml(cloud.url), encoding="utf-8")
        print(f"cloud at {cloud.url}  (sign in at {cloud.auth_url} as demo, password secret)", flush=True)
        tell = (lambda _: None) if given.quiet else (lambda text: print(text, flush=True))
        if given.pace > 0:
            Life(world, given.seed).run(given.pace, rest, tell)
        stop.wait()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
