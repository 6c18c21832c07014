"""What is kept of an effect holds no secret, is bounded, and fits into a database."""

from __future__ import annotations

import base64
import json
import time

import pytest

from tasks.effects.secrets import HIDDEN, MAX_PARTS, MAX_TEXT, redact, redact_text


@pytest.mark.parametrize(
    "text",
    [
        "password=hunter2",
        "PASSWORD: hunter2, next",
        '{"api_token": "hunter2", "a": 1}',
        """{'secret': 'it is "hunter2"'}""",
        '{"password": "a\\"hunter2"}',
        "Authorization: Bearer hunter2hunter2",
        "authorization: Basic aHVudGVyMg==hunter2",
        "https://user:hunter2@example.org/x",
        "amqp://hunter2@host",
        "OS_PASSWORD=hunter2",
        "x-api-key: hunter2",
    ],
)
def test_the_usual_secrets_are_hidden(text: str) -> None:
    kept = redact_text(text)
    assert "hunter2" not in kept
    assert HIDDEN in kept


@pytest.mark.parametrize(
    "text", ["server web-1 is down", "tokens are good: no", "see https://example.org/a@b", "key = 5"]
)
def test_ordinary_text_stays(text: str) -> None:
    assert redact_text(text).startswith(text.split(":", maxsplit=1)[0])


def test_a_known_secret_is_hidden_in_every_spelling() -> None:
    secret = 'p@ss/"wörd"+1'
    encoded = base64.b64encode(secret.encode()).decode()
    text = f"{secret} p%40ss%2F%22w%C3%B6rd%22%2B1 {json.dumps(secret)} {encoded}"
    kept = redact_text(text, [secret])
    assert kept.split() == [HIDDEN, HIDDEN, f'"{HIDDEN}"', kept.split()[3]]
    assert encoded.rstrip("=") not in kept


def test_a_secret_across_the_cut_is_hidden_first() -> None:
    kept = redact_text("x" * 95 + "abcdefghij", ["abcdefghij"], limit=100)
    assert "abc" not in kept
    assert len(kept) <= 100


def test_values_under_secret_keys_go_at_any_depth() -> None:
    kept = redact({"auth": {"password": "a", "adminToken": "b", "user": "me"}, "list": [{"Cookie": "c"}]})
    assert kept == {
        "auth": {"password": HIDDEN, "adminToken": HIDDEN, "user": "me"},
        "list": [{"Cookie": HIDDEN}],
    }


def test_everything_is_bounded_and_plain() -> None:
    deep: object = "end"
    for _ in range(50):
        deep = {"a": deep}
    kept = redact({"deep": deep, "wide": list(range(1000)), "long": "y" * 10_000, "odd": object(), 3: b"x"})
    assert len(kept["wide"]) == MAX_PARTS
    assert len(kept["long"]) == MAX_TEXT
    assert len(json.dumps(kept)) < 5000


def test_characters_that_no_database_holds_are_replaced() -> None:
    kept = redact_text("a\x00b\ud800c")
    assert "\x00" not in kept
    assert kept.encode("utf-8").startswith(b"a")


@pytest.mark.parametrize("piece", ["a-", "a.", "token ", "x://", 'password="\\', "bearer "])
def test_no_text_makes_hiding_slow(piece: str) -> None:
    started = time.monotonic()
    redact_text(piece * (300_000 // len(piece)))
    assert time.monotonic() - started < 5
