"""Knows secrets by the name of their key, and finds those that stand inside a text."""

from __future__ import annotations

import re

from tasks.providers.openstack.values import MARKER

# fmt: off
#: Names that mean a secret wherever they stand in a key, with or without separators.
_STEMS = (
    "password", "passwd", "passphrase", "passcode", "secret", "credential", "keyring", "authorization",
    "userdata", "injectedfile", "authtoken", "adminpass", "rootpass", "tempurlsig", "cloudinit",
    "privatekey", "apikey", "accesskey", "sharedkey", "encryptionkey", "authkey", "masterkey",
)
#: Names that mean a secret as a word of their own (in the singular).
_WORDS = frozenset({
    "token", "trust", "pwd", "psk", "jwt", "bearer", "cookie", "otp", "totp", "personality", "catalog",
    "configdrive",
})
#: Whose key must not be seen; ``key_name`` and ``public_key`` may.
_KEY_OWNERS = frozenset({
    "private", "secret", "api", "access", "encryption", "decryption", "signing", "auth", "shared",
    "account", "storage", "master", "fernet", "hmac", "preshared", "client", "tls", "ssl", "rsa", "dsa",
    "ssh", "ec2", "session",
})
#: A last word that says something *about* a secret: when it ends, of which sort it is, how it was proved.
_ABOUT = frozenset({
    "at", "expires", "expiry", "expiration", "expired", "created", "updated", "enabled", "required",
    "supported", "type", "name", "length", "count", "policy", "policies", "method", "methods",
    "algorithm", "status", "state", "mode", "size", "format", "level", "version", "url", "uri",
    "endpoint",
})
#: A last word that makes a reference to a secret kept elsewhere, unless the reference is the secret.
_REFERENCE = frozenset({"id", "ids", "uuid", "ref", "href"})
# fmt: on

_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+|[^\x00-\x7f]+")


def is_secret(key: str) -> bool:
    """Whether the value under a key of this name is a secret (spec capture 9 D1)."""
    words = [word.lower() for word in _PARTS.findall(key)]
    if not words:
        return False
    singular = [
        word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word for word in words
    ]
    if len(words) > 1 and words[-1] in _ABOUT:
        return False
    own = not _WORDS.isdisjoint(singular) or singular[-1] == "pass"
    if len(words) > 1 and words[-1] in _REFERENCE:
        return own
    joined = "".join(words)
    if own or joined.endswith("token") or any(stem in joined for stem in _STEMS):
        return True
    return singular[-1] == "key" and "public" not in words and not _KEY_OWNERS.isdisjoint(singular[:-1])


class _Verdicts(dict[str, bool]):
    """Remembers the verdict on each key name: the same few hundred come again and again."""

    _LIMIT = 4096
    _KEY_LIMIT = 200

    def __missing__(self, key: str) -> bool:
        verdict = is_secret(key)
        if len(self) < self._LIMIT and len(key) <= self._KEY_LIMIT:
            self[key] = verdict
        return verdict


#: ``VERDICTS[key]`` is :func:`is_secret`, remembered.
VERDICTS = _Verdicts()

_URL_SIGN_IN = re.compile(r"""(?<=://)[^\s/"'<>]{1,1024}@""")
_VALUE = r"""(?:\\{0,3}"[^"]{0,4096}"|\\{0,3}'[^']{0,4096}'|(?:(?:basic|bearer)\s{1,4})?[^\s,;&"'}\])]{1,4096})"""
_NAMED = re.compile(
    r"""(?i)((?:password|passwd|passphrase|passcode|admin_?pass|root_?pass|secret|token|credential|api_?key|private_?key|"""
    r"""secret_?key|access_?key|user_?data|trust_?id|authorization|keyring|temp_?url_?sig)"""
    r"""[\w.-]{0,40}[\\"']{0,4}\s{0,4}(?:=>|[=:])\s{0,4}(?:[ub](?=["']))?)""" + _VALUE
)
#: One of these is in every text that one of the three patterns matches.
_HINTS = ("pass", "secret", "token", "key", "credential", "user", "trust", "authorization", "sig", "gaaaa")
_TOKEN = re.compile(r"gAAAA[A-Za-z0-9_-]{40,}=*")
_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----.*", re.DOTALL)


def mask(value: str) -> str:
    """The text with the marker in place of every secret in it.

    Finds sign-ins in URLs, values behind a telling name (``password=…``, also in JSON or Python text
    inside the text), Keystone tokens and private keys. Takes time linear in the length of the text.
    """
    if ":" not in value and "=" not in value and "gAAAA" not in value and "-----" not in value:
        return value
    if "@" in value and "://" in value:
        value = _URL_SIGN_IN.sub(f"{MARKER}@", value)
    # Looking for a few short words first is far cheaper than the pattern, and most texts have none.
    low = value.lower()
    if any([word in low for word in _HINTS]):  # noqa: C419 - a list is the faster one for ten words
        value = _NAMED.sub(rf"\g<1>{MARKER}", value)
        value = _TOKEN.sub(MARKER, value)
        value = _PRIVATE_KEY.sub(MARKER, value)
    return value
