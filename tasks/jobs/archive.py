"""Job archives: zip files from operators, looked at without trust before anything of them is unpacked.

The table of contents alone decides whether an archive is read (spec orchestrate 9.5); what is unpacked is counted
once more while it comes, since a table may lie.
"""

from __future__ import annotations

import io
import re
import stat
import unicodedata
import zipfile
from collections.abc import Mapping
from pathlib import Path

from tasks.model.errors import Permanent

#: Bounds of one archive: its own size, that of its files together and of one, their number, and how far they expand.
MAX_ZIPPED, MAX_ALL, MAX_FILE = 32 * 1024 * 1024, 128 * 1024 * 1024, 64 * 1024 * 1024
MAX_ENTRIES, MAX_RATIO = 1000, 100
MAX_NAME, MAX_DEPTH = 200, 12
#: Small files may expand further: the ratio of a few kilobytes threatens nobody.
_SMALL = 64 * 1024
_LOCAL_HEADER = 30
_ENCRYPTED = 0x1 | 0x40 | 0x2000
_DEVICES = re.compile(r"(?:CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|COM[0-9¹²³]|LPT[0-9¹²³])(?:\..*)?", re.IGNORECASE)


class BadArchive(Permanent):
    """An archive that is not taken; ``code`` is that of the complaint."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


NO_ZIP, PATH, KIND, SIZE, TWICE, PACKING = "E110", "E111", "E112", "E113", "E114", "E115"


class Archive:
    """The table of contents of a job archive, after it was seen to be harmless."""

    def __init__(self, content: bytes) -> None:
        """Raises :class:`BadArchive` for one that is refused."""
        if len(content) > MAX_ZIPPED:
            raise BadArchive(SIZE, f"the archive has {len(content)} bytes, more than {MAX_ZIPPED}")
        _count(content)
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(content))
            entries = self._zip.infolist()
        except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError, OverflowError, IndexError) as mistake:
            raise BadArchive(NO_ZIP, f"this is no zip archive: {mistake}") from mistake
        _check(entries, len(content))
        self._files = {entry.filename: entry for entry in entries if not entry.is_dir()}

    @property
    def names(self) -> list[str]:
        """The paths of its files."""
        return list(self._files)

    def read(self, name: str, most: int) -> bytes:
        """One file. Raises :class:`BadArchive` where it is larger than ``most``, or is not what the table says."""
        entry = self._files[name]
        if entry.file_size > most:
            raise BadArchive(SIZE, f"{name} has {entry.file_size} bytes, more than the {most} that are read of it")
        try:
            with self._zip.open(entry) as file:
                found = file.read(entry.file_size + 1)
        except (zipfile.BadZipFile, EOFError, ValueError, NotImplementedError, RuntimeError, OSError) as mistake:
            raise BadArchive(NO_ZIP, f"{name} cannot be unpacked: {mistake}") from mistake
        except Exception as mistake:
            # zlib's own error is no class that zipfile names.
            if type(mistake).__module__ != "zlib":
                raise
            raise BadArchive(NO_ZIP, f"{name} cannot be unpacked: {mistake}") from mistake
        if len(found) != entry.file_size:
            raise BadArchive(SIZE, f"{name} is not as long as the table of contents says")
        return found

    def unpack(self, folder: Path) -> None:
        """Write all files below a folder that is empty and nobody else's. Raises :class:`BadArchive`."""
        for name in self._files:
            target = folder / name
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Exclusive, so that nothing that is there already is followed or written over.
            with target.open("xb") as file:
                file.write(self.read(name, MAX_FILE))


def _count(content: bytes) -> None:
    """Refuse a long table of contents before zipfile makes an object of each of its entries."""
    found = content.count(b"PK\x01\x02")
    if found > MAX_ENTRIES:
        raise BadArchive(SIZE, f"more than {MAX_ENTRIES} entries")


def _check(entries: list[zipfile.ZipInfo], size: int) -> None:
    if not entries:
        raise BadArchive(NO_ZIP, "the archive is empty")
    if len(entries) > MAX_ENTRIES:
        raise BadArchive(SIZE, f"{len(entries)} entries, more than {MAX_ENTRIES}")
    seen: dict[str, str] = {}
    for entry in entries:
        _check_path(entry)
        _check_kind(entry)
        # As file systems do that ignore case and composition.
        known = unicodedata.normalize("NFC", entry.filename).casefold().rstrip("/")
        if known in seen:
            raise BadArchive(TWICE, f"{_shown(entry)} is there twice, or differs from {seen[known]!r} in case alone")
        seen[known] = entry.filename
    files = [unicodedata.normalize("NFC", e.filename).casefold() for e in entries if not e.is_dir()]
    for path in seen:
        if any(parent in files for parent in _parents(path)):
            raise BadArchive(TWICE, f"{seen[path][:80]!r} lies in a file")
    _check_sizes(entries, size)


def _parents(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:n]) for n in range(1, len(parts))]


def _shown(entry: zipfile.ZipInfo) -> str:
    return repr(entry.filename[:80])


def _check_path(entry: zipfile.ZipInfo) -> None:
    name, parts = entry.filename, entry.filename.removesuffix("/").split("/")
    # zipfile has cut the name at a NUL and turned backslashes on some systems; the original tells.
    original = entry.orig_filename
    if original != name or not name.isprintable() or "\\" in name or ":" in name or len(name) > MAX_NAME:
        raise BadArchive(PATH, f"{_shown(entry)} is no plain path of at most {MAX_NAME} characters")
    if name.startswith(("/", "~")) or any(part in ("", ".", "..") for part in parts) or len(parts) > MAX_DEPTH:
        raise BadArchive(PATH, f"{_shown(entry)} leaves the archive, or is no path")
    for part in parts:
        if _DEVICES.fullmatch(part) or part != part.rstrip(" .") or part.startswith(" "):
            raise BadArchive(PATH, f"{_shown(entry)} has a name that some systems take for something else")


def _check_kind(entry: zipfile.ZipInfo) -> None:
    mode = entry.external_attr >> 16
    kind = stat.S_IFMT(mode)
    wanted = stat.S_IFDIR if entry.is_dir() else stat.S_IFREG
    if kind not in (0, wanted):
        raise BadArchive(KIND, f"{_shown(entry)} is a link, a device or something else that is no file")
    if mode & (stat.S_ISUID | stat.S_ISGID):
        raise BadArchive(KIND, f"{_shown(entry)} wants to run as somebody else")
    if entry.flag_bits & _ENCRYPTED:
        raise BadArchive(PACKING, f"{_shown(entry)} is encrypted")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise BadArchive(PACKING, f"{_shown(entry)} is packed in a way that is not read: use deflate")
    if entry.is_dir() and entry.file_size:
        raise BadArchive(KIND, f"{_shown(entry)} is a folder with content")


def _check_sizes(entries: list[zipfile.ZipInfo], size: int) -> None:
    total = 0
    for entry in entries:
        total += entry.file_size
        if entry.file_size > MAX_FILE or total > MAX_ALL:
            raise BadArchive(SIZE, f"{_shown(entry)} would expand beyond {MAX_ALL} bytes")
        if entry.file_size > max(_SMALL, MAX_RATIO * max(entry.compress_size, 1)):
            raise BadArchive(SIZE, f"{_shown(entry)} expands to more than {MAX_RATIO} times its size")
    # Entries that share their bytes expand without end and have no bad ratio of their own.
    end = 0
    for entry in sorted(entries, key=lambda e: e.header_offset):
        if entry.header_offset < end:
            raise BadArchive(SIZE, f"{_shown(entry)} lies within another entry")
        end = entry.header_offset + _LOCAL_HEADER + len(entry.orig_filename) + entry.compress_size
    if end > size:
        raise BadArchive(NO_ZIP, "the archive is cut off")


def pack(files: Mapping[str, bytes]) -> bytes:
    """An archive of these files; the same files give the same bytes."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (stat.S_IFREG | 0o644) << 16
            archive.writestr(entry, files[name])
    return made.getvalue()
