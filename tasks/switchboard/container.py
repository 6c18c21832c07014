"""Where domains are kept: folders, and zip files of the same layout (spec automate 1.1). All of it is bounded."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from tasks.model.errors import SiteInvalid
from tasks.site.contracts import Problem

#: What one container may hold: a whole ManageIQ domain has some three thousand files and two megabytes.
MAX_FILES = 20_000
MAX_FILE_BYTES = 4 * 1024 * 1024
MAX_ALL_BYTES = 64 * 1024 * 1024


def unpacked(files: Mapping[str, bytes]) -> tuple[dict[str, bytes], list[Problem]]:
    """The files with each zip among them replaced by what it holds, under the folder that it lies in."""
    found: dict[str, bytes] = {}
    problems: list[Problem] = []
    for path, content in files.items():
        if not path.endswith(".zip"):
            found[path] = content
            continue
        try:
            found.update(_members(str(PurePosixPath(path).parent), content))
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError, OSError) as mistake:
            mend = "Zip the domain's folder anew, without a password"
            problems.append(Problem(path, None, f"this zip cannot be read: {str(mistake)[:200]}", mend))
    return found, problems


def _members(folder: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        members = [info for info in packed.infolist() if not info.is_dir()]
        if len(members) > MAX_FILES or sum(info.file_size for info in members) > MAX_ALL_BYTES:
            raise ValueError(f"it holds more than {MAX_FILES} files or {MAX_ALL_BYTES} bytes")
        for info in members:
            path = PurePosixPath(info.filename)
            if path.is_absolute() or ".." in path.parts:
                raise ValueError(f"{info.filename[:100]!r} leads out of it")
            with packed.open(info) as member:
                # What the directory of a zip says of a size need not be true.
                whole = member.read(MAX_FILE_BYTES + 1)
            if len(whole) > MAX_FILE_BYTES:
                raise ValueError(f"{info.filename[:100]!r} is larger than {MAX_FILE_BYTES} bytes")
            yield f"{folder}/{path}", whole


def folder_files(base: Path, root: str) -> dict[str, bytes]:
    """The files of a folder of domains, of one domain's folder, or of a zip, under ``root``.

    Raises :class:`tasks.model.errors.SiteInvalid` for a folder that holds too much, ``OSError`` for one that
    cannot be read.
    """
    if base.is_file():
        return {f"{root}/{base.name}": base.read_bytes()}
    if not base.is_dir():
        raise FileNotFoundError(f"there is no folder {base}")
    above = f"{root}/{base.resolve().name}" if (base / "__domain__.yaml").is_file() else root
    found: dict[str, bytes] = {}
    size = 0
    for path in sorted(base.rglob("*")):
        if path.is_symlink() or not path.is_file() or path.name.startswith("."):
            continue
        size += path.stat().st_size
        if len(found) >= MAX_FILES or size > MAX_ALL_BYTES:
            raise SiteInvalid(f"{base} holds more than {MAX_FILES} files or {MAX_ALL_BYTES} bytes: is it a domain?")
        found[f"{above}/{path.relative_to(base).as_posix()}"] = path.read_bytes()
    return found
