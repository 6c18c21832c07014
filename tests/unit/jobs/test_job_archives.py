"""Job archives: every known attack is refused before anything is unpacked, and a bad part refuses the whole."""

from __future__ import annotations

import contextlib
import stat
import struct
import tracemalloc
import zipfile
import zlib
from pathlib import Path

import pytest

from tasks.jobs.archive import MAX_ENTRIES, Archive, BadArchive, pack
from tests.job_ground import CONTEXT, QUIET, archive, codes, raw_zip, trigger

GOOD = [("quiet.py", QUIET.encode()), ("quiet.policy", f"<policy>{CONTEXT}</policy>".encode())]


def entry(name: str, mode: int = stat.S_IFREG | 0o644, **more: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    info.compress_type = zipfile.ZIP_DEFLATED
    for key, value in more.items():
        setattr(info, key, value)
    return info


PATHS = [
    "../evil.py",
    "a/../../evil.py",
    "/etc/cron.d/evil",
    "~root/evil",
    "C:/evil.py",
    "a\\..\\evil.py",
    "a//b.py",
    "./a.py",
    "a/./b.py",
    "CON",
    "aux.py",
    "sub/LPT1.txt",
    "com¹",
    "trailing.",
    "blank ",
    " blank",
    "line\nbreak",
    "\x1b[31mred",
    "turn\u202earound",
    "x" * 300,
    "/".join("abcdefghijklmno"),
]


@pytest.mark.parametrize("name", PATHS)
def test_orchestrate_91_a_path_that_is_none_is_refused(name: str) -> None:
    assert codes({"quiet.job": raw_zip(*GOOD, (entry(name), b"x"))}) == ["E111"]


def test_orchestrate_91_a_name_with_a_nul_is_refused() -> None:
    made = raw_zip(*GOOD, (entry("aaaa.py"), b"x")).replace(b"aaaa.py", b"aa\0a.py")
    assert codes({"quiet.job": made}) == ["E111"]


KINDS = [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK]


@pytest.mark.parametrize("kind", KINDS)
def test_orchestrate_91_links_and_devices_are_refused(kind: int) -> None:
    assert codes({"quiet.job": raw_zip(*GOOD, (entry("link", kind | 0o777), b"/etc/passwd"))}) == ["E112"]


def test_a_file_that_wants_to_run_as_somebody_else_is_refused() -> None:
    assert codes({"quiet.job": raw_zip(*GOOD, (entry("tool", stat.S_IFREG | 0o4755), b"x"))}) == ["E112"]


def test_orchestrate_91_a_bomb_is_refused_by_its_ratio_and_costs_no_memory() -> None:
    made = raw_zip(*GOOD, ("zeros", bytes(20 * 2**20)))
    assert len(made) < 64 * 1024
    tracemalloc.start()
    try:
        assert codes({"quiet.job": made}) == ["E113"]
        assert tracemalloc.get_traced_memory()[1] < 5 * 2**20
    finally:
        tracemalloc.stop()


def test_orchestrate_91_a_thousand_and_one_entries_are_refused() -> None:
    made = raw_zip(*GOOD, *((f"f{n}", b"") for n in range(MAX_ENTRIES - 1)))
    assert codes({"quiet.job": made}) == ["E113"]
    fine = raw_zip(*GOOD, *((f"f{n}", b"") for n in range(MAX_ENTRIES - 2)))
    assert codes({"quiet.job": fine}) == []


def test_two_files_of_one_name_are_refused_also_where_case_or_composition_differs() -> None:
    for first, second in (("data", "data"), ("data", "DATA"), ("caf\u00e9", "cafe\u0301"), ("d", "d/inner")):
        with pytest.warns(UserWarning, match="Duplicate name") if first == second else contextlib.nullcontext():
            made = raw_zip(*GOOD, (entry(first), b"1"), (entry(second), b"2"))
        assert codes({"quiet.job": made}) == ["E114"], (first, second)


def test_what_is_encrypted_or_packed_strangely_is_refused() -> None:
    made = bytearray(raw_zip(*GOOD))
    at = made.index(b"PK\x01\x02")
    made[at + 8] |= 0x1
    assert codes({"quiet.job": bytes(made)}) == ["E115"]
    assert codes({"quiet.job": raw_zip(*GOOD, (entry("l", compress_type=zipfile.ZIP_LZMA), b"x"))}) == ["E115"]


def test_entries_that_share_their_bytes_are_refused() -> None:
    """Overlapping entries expand without end, and each of them looks harmless."""
    kernel = zlib.compressobj(9, zlib.DEFLATED, -15)
    data = kernel.compress(bytes(60_000)) + kernel.flush()
    crc = zlib.crc32(bytes(60_000))
    local = struct.pack("<4s5H3I2H", b"PK\x03\x04", 20, 0, 8, 0, 0x21, crc, len(data), 60_000, 1, 0) + b"a" + data
    central = b"".join(
        struct.pack("<4s6H3I5H2I", b"PK\x01\x02", 20, 20, 0, 8, 0, 0x21, crc, len(data), 60_000, 1, 0, 0, 0, 0, 0, 0)
        + bytes([97 + n])
        for n in range(20)
    )
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 20, 20, len(central), len(local), 0)
    assert codes({"quiet.job": local + central + end}) == ["E113"]


@pytest.mark.parametrize("content", [b"", b"PK", b"no zip at all", raw_zip(), raw_zip(*GOOD)[:-30]])
def test_what_is_no_zip_is_refused(content: bytes) -> None:
    assert codes({"quiet.job": content}) == ["E110"]


def test_a_table_that_lies_about_a_size_is_found_out_when_it_is_unpacked(tmp_path: Path) -> None:
    made = bytearray(raw_zip(*GOOD, ("data", b"0123456789")))
    at = made.rindex(b"PK\x01\x02")
    made[at + 24 : at + 28] = struct.pack("<I", 4)
    with pytest.raises(BadArchive):
        Archive(bytes(made)).unpack(tmp_path)
    made = bytearray(raw_zip(*GOOD, ("data", b"0123456789"), method=zipfile.ZIP_STORED))
    made[made.index(b"0123456789")] ^= 1
    with pytest.raises(BadArchive):
        Archive(bytes(made)).unpack(tmp_path / "other")


def test_an_archive_without_its_module_is_refused() -> None:
    assert codes({"other.job": archive("quiet")}) == ["E313"]
    assert codes({"no-name.job": archive("no-name")}) == ["E313"]
    assert codes({"quiet.job": archive("quiet", other_policy="<policy/>")}) == ["E313"]


def test_orchestrate_90_a_bad_part_refuses_the_whole_site() -> None:
    bad = archive("quiet", bad_trig=trigger("t", '<cron expr="0 0 99 * * ?"/>').decode())
    assert codes({"quiet.job": bad}) == ["E307"]


def test_files_are_unpacked_below_the_folder_alone(tmp_path: Path) -> None:
    Archive(pack({"quiet.py": b"x", "data/list.txt": b"1\n2\n"})).unpack(tmp_path)
    assert (tmp_path / "data" / "list.txt").read_bytes() == b"1\n2\n"
    with pytest.raises(FileExistsError):
        Archive(pack({"quiet.py": b"y"})).unpack(tmp_path)


def test_the_same_files_make_the_same_archive() -> None:
    assert pack({"a": b"1", "b": b"2"}) == pack({"b": b"2", "a": b"1"})
