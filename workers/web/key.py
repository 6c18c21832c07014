"""The key that signs what the pages hand to browsers: made once, shared by all web processes of a host."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from tasks.model.errors import Permanent

#: Bytes in the key; HMAC-SHA256 gains nothing from more.
KEY_BYTES = 32


def load_key(path: Path) -> bytes:
    """The key in this file, made at random with mode 0600 where there is none.

    Two processes that start at once end with the same key. Web processes on several hosts need the same
    file. Raises :class:`tasks.model.errors.Permanent` for a file that others can read or that is too
    short.
    """
    if not path.exists():
        _make(path)
    if path.stat().st_mode & 0o077:
        raise Permanent(f"{path} can be read by others than its owner: run `chmod 600 {path}`")
    key = path.read_bytes()
    if len(key) < KEY_BYTES:
        raise Permanent(
            f"{path} holds {len(key)} bytes, not {KEY_BYTES}: remove it, a new one is made at the next start"
        )
    return key


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        try:
            # A link appears whole or not at all, and the first of two processes wins.
            os.link(draft, path)
        except FileExistsError:
            return
    finally:
        draft.unlink()
