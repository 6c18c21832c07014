"""Puts rule events into the site's folder: each file as a whole, so that nobody reads half of one."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

#: The folder of the site that has them.
FOLDER = "rules"


def put(root: Path, contents: Mapping[str, bytes]) -> None:
    """Write files into the site. A link there is replaced, not followed. Raises ``OSError``."""
    folder = root / FOLDER
    folder.mkdir(exist_ok=True)
    for name, content in sorted(contents.items()):
        _put(folder / name, content)


def _put(target: Path, content: bytes) -> None:
    number, path = tempfile.mkstemp(prefix=".", dir=target.parent)
    try:
        with os.fdopen(number, "wb") as file:
            file.write(content)
        Path(path).chmod(0o644)
        Path(path).replace(target)
    except BaseException:
        Path(path).unlink(missing_ok=True)
        raise


def fingerprint(content: bytes) -> str:
    """What is kept of a file that was deployed."""
    return f"sha256 {hashlib.sha256(content).hexdigest()[:16]}"
