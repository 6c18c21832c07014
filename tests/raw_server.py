"""A server that answers with given bytes, whatever it is asked."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def raw_server(answer: bytes, drip: float = 0.0) -> Iterator[str]:
    """Answers every connection with these bytes, one by one where ``drip`` is set."""
    listener = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def serve() -> None:
        while not over.is_set():
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with client:
                client.recv(65536)
                head, gap, body = answer.partition(b"\r\n\r\n")
                try:
                    client.sendall(head + gap)
                    for part in [body] if not drip else [body[i : i + 1] for i in range(len(body))]:
                        client.sendall(part)
                        if over.wait(drip):
                            return
                except OSError:
                    continue

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
    finally:
        over.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)
