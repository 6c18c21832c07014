"""``python -m examples.ovirt``: run the simulated engine until it is interrupted."""

from __future__ import annotations

import argparse
import signal
import threading

from examples.ovirt.life import Life
from examples.ovirt.running import Engine
from examples.ovirt.world import World


def main(arguments: list[str] | None = None) -> int:
    """Run the engine. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m examples.ovirt", description="A simulated oVirt engine.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: loopback)")
    parser.add_argument("--port", type=int, default=8443, help="port to listen on; 0 takes a free one (default: 8443)")
    parser.add_argument(
        "--pace", type=float, default=1.0, help="seconds between two deeds; 0: nothing happens (default: 1)"
    )
    parser.add_argument("--seed", type=int, default=7, help="the same seed gives the same life (default: 7)")
    parser.add_argument("--token-seconds", type=float, default=3600, help="how long a token is valid (default: 3600)")
    parser.add_argument("--quiet", action="store_true", help="do not tell what happens")
    given = parser.parse_args(arguments)
    world = World(given.seed)
    stop, rest = threading.Event(), threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: (rest.set(), stop.set()))
    # Lets a demonstration end: nothing happens any more, and the engine still answers.
    signal.signal(signal.SIGUSR1, lambda *_: rest.set())
    try:
        engine = Engine(world, host=given.host, port=given.port, token_seconds=given.token_seconds)
    except OSError as mistake:
        parser.error(f"cannot listen on {given.host} port {given.port}: {mistake.strerror}; choose another with --port")
    with engine:
        print(f"engine at {engine.url}  (sign in as admin@internal, password secret)", flush=True)
        tell = (lambda _: None) if given.quiet else (lambda text: print(text, flush=True))
        if given.pace > 0:
            Life(world, given.seed).run(given.pace, rest, tell)
        stop.wait()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
