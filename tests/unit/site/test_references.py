"""Secrets by reference."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tasks.site.references import MAX_SECRET_BYTES, NoSecret, references, resolve


def test_references_are_replaced_and_their_secrets_returned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_TOKEN", "one")
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "b").write_text("two\n")
    text = "Bearer ${env:A_TOKEN}/${file:secrets/b}/${event.name}"
    assert references(text) == ["${env:A_TOKEN}", "${file:secrets/b}"]
    assert resolve(text, tmp_path) == ("Bearer one/two/${event.name}", ["one", "two"])


def test_an_absolute_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("x")
    assert resolve(f"${{file:{tmp_path}/s}}", Path("/nowhere")) == ("x", ["x"])


def test_a_secret_that_looks_like_a_reference_is_not_looked_up_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A", "${env:B}")
    monkeypatch.setenv("B", "deep")
    assert resolve("${env:A}", Path())[0] == "${env:B}"


@pytest.mark.parametrize(
    ("reference", "what"),
    [
        ("${env:NO_SUCH_VARIABLE}", "NO_SUCH_VARIABLE is not set"),
        ("${env:EMPTY_ONE}", "EMPTY_ONE is not set"),
        ("${env:CATCHMENT_BROKER}", "setting of Catchment"),
        ("${file:absent}", "absent does not exist"),
        ("${file:.}", "does not exist"),
        ("${file:pipe}", "pipe does not exist"),
        ("${file:empty}", "empty is empty"),
        ("${file:large}", "more than"),
        ("${file:binary}", "not UTF-8"),
    ],
)
def test_a_secret_that_is_not_there_is_named_without_any_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reference: str, what: str
) -> None:
    monkeypatch.setenv("EMPTY_ONE", "")
    monkeypatch.setenv("CATCHMENT_BROKER", "redis://hunter2@x")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "large").write_text("hunter2" * MAX_SECRET_BYTES)
    (tmp_path / "binary").write_bytes(b"hunter2\xff")
    with pytest.raises(NoSecret, match=what) as caught:
        resolve(reference, tmp_path)
    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in repr(caught.value.__cause__)
