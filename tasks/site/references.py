"""Secrets by reference: ``${env:NAME}`` and ``${file:path}`` in a site's text, looked up when needed.

The reference is what is written in files, rows and logs; the secret itself is only ever in memory.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from tasks.model.errors import Permanent

#: A secret is a password, a token or a key; a larger file was named by mistake.
MAX_SECRET_BYTES = 64 * 1024

_REFERENCE = re.compile(r"""\$\{(env|file):([^}\n"\\]{1,400})\}""")


class NoSecret(Permanent):
    """A reference names a secret that is not there."""


def references(text: str) -> list[str]:
    """The references in a text, as they are written."""
    return [match.group(0) for match in _REFERENCE.finditer(text)]


def resolve(text: str, root: Path) -> tuple[str, list[str]]:
    """Replace every reference in a text; also returns the secrets, so that they can be kept out of sight.

    Relative file names start at the site folder ``root``. Raises :class:`NoSecret` naming the reference.
    """
    secrets: list[str] = []

    def look_up(match: re.Match[str]) -> str:
        kind, name = match.group(1), match.group(2).strip()
        secret = _from_environment(name) if kind == "env" else read_secret_file(Path(name), root)
        secrets.append(secret)
        return secret

    return _REFERENCE.sub(look_up, text), secrets


def read_secret_file(path: Path, root: Path) -> str:
    """The secret in a file, without its last line end. Raises :class:`NoSecret`."""
    whole = root / path
    try:
        # A pipe or a device would block or never end.
        if not whole.is_file():
            raise NoSecret(f"the secret file {path} does not exist: create it, or correct its name")
        with whole.open("rb") as file:
            content = file.read(MAX_SECRET_BYTES + 1)
    except OSError as mistake:
        reason = mistake.strerror or type(mistake).__name__
        raise NoSecret(f"the secret file {path} cannot be read ({reason}): let this user read it") from mistake
    if len(content) > MAX_SECRET_BYTES:
        raise NoSecret(f"the secret file {path} has more than {MAX_SECRET_BYTES} bytes: name a smaller one")
    try:
        secret = content.decode("utf-8").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        # Without its cause, which carries the bytes of the secret.
        raise NoSecret(f"the secret file {path} is not UTF-8 text") from None
    if not secret:
        raise NoSecret(f"the secret file {path} is empty: write the secret into it")
    return secret


def _from_environment(name: str) -> str:
    # Catchment's own settings hold the passwords of the ledger and the broker, which belong nowhere else.
    if name.upper().startswith("CATCHMENT_"):
        raise NoSecret(f"${{env:{name}}} names a setting of Catchment itself: use a variable of another name")
    secret = os.environ.get(name)
    if not secret:
        raise NoSecret(f"the environment variable {name} is not set: set it for the workers, or use ${{file:…}}")
    return secret
