"""A change of ``providers.yaml`` as a draft: read by the site's own reader before it takes the file's place."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tasks.providers.contracts import ProviderKind
from tasks.site import clouds, providers
from tasks.site.contracts import Problem
from tasks.site.entries import NotEdited
from tasks.site.lines import MAX_BYTES
from tasks.site.walk import read_one


def present(root: Path) -> bytes:
    """What ``providers.yaml`` holds; nothing where it is absent. Raises :class:`NotEdited`."""
    file = root / providers.FILE
    try:
        if not file.exists():
            return b""
        with file.open("rb") as opened:
            content = opened.read(MAX_BYTES + 1)
    except OSError as mistake:
        raise NotEdited(f"{file} cannot be read: {mistake.strerror}") from mistake
    if len(content) > MAX_BYTES:
        raise NotEdited(f"{file} has more than {MAX_BYTES} bytes")
    return content


def mistakes_in(
    draft: bytes,
    before: bytes,
    root: Path,
    kinds: Mapping[str, ProviderKind],
    name: str,
    *,
    reveals: bool = True,
) -> list[Problem]:
    """What the site's reader finds wrong with a draft and did not find before it, or in the provider of that name.

    Without ``reveals`` no secret is looked up, so that nobody learns which files there are.
    """
    named, _ = clouds.clouds_of(read_one(root, clouds.FILE))
    found, problems = providers.providers_of(draft, root, kinds, named, reveals=reveals)
    _, known = providers.providers_of(before, root, kinds, named, reveals=reveals)
    old = {(problem.what, problem.mend) for problem in known}
    errors = [problem for problem in problems if problem.severity == "error"]
    return [problem for problem in errors if name not in found or (problem.what, problem.mend) not in old]


def put(draft: bytes, before: bytes, root: Path) -> None:
    """Have a draft take the file's place as a whole. Raises :class:`NotEdited` where the file changed meanwhile."""
    file = (root / providers.FILE).resolve()
    try:
        mode = file.stat().st_mode & 0o777 if file.exists() else 0o644
        handle, name = tempfile.mkstemp(prefix=".providers.", dir=file.parent)
        try:
            with os.fdopen(handle, "wb") as beside:
                beside.write(draft)
                beside.flush()
                os.fsync(beside.fileno())
            Path(name).chmod(mode)
            if present(root) != before:
                raise NotEdited(f"{file} was changed by somebody else meanwhile. Nothing was written: try again")
            Path(name).replace(file)
        finally:
            Path(name).unlink(missing_ok=True)
    except OSError as mistake:
        raise NotEdited(f"{file} cannot be written: {mistake.strerror}") from mistake
