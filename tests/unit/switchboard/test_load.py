"""Domains from files: every mistake with file and line, nothing half-loaded."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.site.contracts import Problem
from tasks.switchboard.datastore import Datastore
from tasks.switchboard.load import load_domain, load_domains
from tasks.switchboard.read import read_automate
from tests.unit.switchboard.small_datastores import datastore, domain, files_of, klass, run, sheet

FIELDS = [("f", "attribute"), ("r", "relationship"), ("go", "method")]
SMALL = domain("Mine", klass("NS", "C", FIELDS, {"i": {"f": "x"}}, ["m"]))
FOLDER = "automate/Mine/NS/C.class"


def _problems(files: dict[str, bytes], severity: str = "error") -> list[Problem]:
    domains, problems = load_domains(files, "automate")
    broken = {p.path.split("/")[1] for p in problems if p.severity == "error"}
    assert broken.isdisjoint(d.name for d in domains)
    return [p for p in problems if p.severity == severity]


def _changed(path: str, content: str | bytes) -> dict[str, bytes]:
    text = content.encode() if isinstance(content, str) else content
    return {**files_of(SMALL), f"{FOLDER}/{path}" if "/" not in path else path: text}


FIELD = "object:\n  attributes:\n    name: C\n  schema:\n  - field:\n      name: f\n"
INSTANCE = "object:\n  attributes:\n    name: other\n  fields:\n  - f:\n      value: x\n"


@pytest.mark.parametrize(
    ("path", "content", "line", "words"),
    [
        ("x.yaml", "object: [", 1, "no YAML"),
        ("x.yaml", b"\xff\xfe", 1, "UTF-8"),
        ("x.yaml", "", 1, "no object"),
        ("x.yaml", "object:\n  attributes: 3\n", 1, "attributes"),
        ("x.yaml", "object:\n  attributes:\n    name:\n", 3, "no usable name"),
        ("x.yaml", "object:\n  attributes:\n    name: [a]\n", 3, "list"),
        ("x.yaml", INSTANCE.replace("- f:", "- f9:"), 5, "Field [f9] not found"),
        ("x.yaml", INSTANCE + "  - F:\n      value: y\n", 7, "given twice"),
        ("x.yaml", INSTANCE.replace("value: x", "value: {a: b}"), 6, "dict"),
        ("x.yaml", INSTANCE.replace("  - f:\n      value: x\n", "  - f\n"), 5, "one key"),
        ("x.yaml", INSTANCE.replace("\n      value: x", " x"), 5, "no values of its own"),
        ("x.yaml", INSTANCE.replace("f:\n      value: x", "r:\n      value: /NS/a b/c"), 6, "cannot be read"),
        ("x.yaml", INSTANCE.replace("f:\n      value: x", "r:\n      value: '${a b}'"), 6, "cannot be read"),
        ("x.yaml", INSTANCE.replace("f:\n      value: x", "go:\n      value: a-b"), 6, "no method call"),
        ("x.yaml", INSTANCE.replace("value: x", "value: x\n      collect: a b"), 7, "collect"),
        ("x.yaml", INSTANCE.replace("name: other", "name: I"), 3, "case alone"),
        ("__methods__/x.yaml", "object:\n  attributes:\n    name: a b\n", 3, "no name for a method"),
        ("__methods__/x.yaml", "object:\n  attributes:\n    name: x\n    location: moon\n", 4, "location"),
        ("__class__.yaml", "object:\n  attributes:\n    name: C\n  schema: 3\n", 4, "no list"),
        (
            "__class__.yaml",
            "object:\n  attributes:\n    name: C\n  schema:\n  - field:\n      name: a-b\n",
            6,
            "field",
        ),
        (
            "__class__.yaml",
            FIELD + "      aetype: x\n",
            7,
            "aetype",
        ),
        (
            "__class__.yaml",
            FIELD + "      priority: x\n",
            7,
            "priority",
        ),
        (
            "__class__.yaml",
            FIELD + "      substitute: x\n",
            7,
            "substitute",
        ),
        (
            "__class__.yaml",
            FIELD + "  - field:\n      name: F\n",
            8,
            "twice",
        ),
        (
            "automate/Mine/__domain__.yaml",
            "object:\n  attributes:\n    name: Mine\n    priority: high\n",
            4,
            "priority",
        ),
        (
            "automate/Mine/__domain__.yaml",
            "object:\n  attributes:\n    name: Mine\n    enabled: 7\n",
            4,
            "enabled",
        ),
        ("automate/Mine/__domain__.yaml", "object:\n  attributes:\n    name: $\n", 3, "taken"),
    ],
)
def test_a_mistake_is_told_with_its_file_and_line(path: str, content: str | bytes, line: int, words: str) -> None:
    path = path if path.startswith("automate") else f"{FOLDER}/{path}"
    files = _changed(path, content)
    # What one instance cannot do leaves the rest of the domain sound: a warning.
    of_value = any(word in words for word in ("cannot be read", "no method call", "collect"))
    severities = ("warning",) if of_value and not words.startswith("this") else ("error",)
    found = [p for severity in severities for p in _problems(files, severity) if words in p.what]
    assert [(p.path, p.line) for p in found] == [(path, line)]
    assert found[0].mend


def test_all_mistakes_of_all_domains_come_at_once() -> None:
    files = {
        **files_of(SMALL, domain("Other")),
        f"{FOLDER}/x.yaml": b"object: [",
        f"{FOLDER}/y.yaml": b"",
        "automate/Third/a.yaml": b"",
    }
    paths = {f"{FOLDER}/x.yaml", f"{FOLDER}/y.yaml", "automate/Third"}
    assert {p.path for p in _problems(files)} == paths


def test_a_sound_domain_is_loaded_beside_a_broken_one() -> None:
    domains, problems = load_domains({**files_of(SMALL, domain("Other")), f"{FOLDER}/x.yaml": b""}, "automate")
    assert [d.name for d in domains] == ["Other"]
    assert [p.path for p in problems if p.severity == "error"] == [f"{FOLDER}/x.yaml"]


def test_A02_and_A04_the_name_inside_counts() -> None:
    files = files_of(SMALL)
    files[f"{FOLDER}/_missing.yaml"] = sheet("instance", {"name": ".missing"})
    files[f"{FOLDER}/other_name.yaml"] = sheet("instance", {"name": "Real"})
    loaded, problems = load_domain(files, "automate/Mine")
    assert problems == [p for p in problems if p.severity == "warning"]
    assert loaded is not None
    assert set(loaded.classes[("ns",), "c"].instances) == {"i", ".missing", "real"}


def test_A22_a_field_is_named_without_regard_to_case() -> None:
    store = datastore(domain("D", klass("NS", "C", [("MixedCase", "attribute")], {"i": {"mixedCASE": "x"}})))
    workspace = run(store, "/ns/c/I")
    assert workspace.root is not None
    assert workspace.root.get("mixedcase") == "x"


def test_the_second_file_of_an_instance_is_passed_over_with_a_warning() -> None:
    files = {**files_of(SMALL), f"{FOLDER}/z.yaml": INSTANCE.replace("other", "i").encode()}
    assert [(p.path, p.line) for p in _problems(files, "warning") if "another file" in p.what] == [
        (f"{FOLDER}/z.yaml", 3)
    ]


def test_what_is_read_without_effect_is_a_warning() -> None:
    files = files_of(
        domain(
            "D",
            klass(
                "NS",
                "C",
                [("s", "state")],
                {"i": {"$inherits": "x"}},
                ["inline", ["nope", {"location": "builtin"}]],
            ),
        )
    )
    files["automate/D/loose.yaml"] = b"a: b"
    files["automate/D/NS/C.class/deep/x.yaml"] = b"a: b"
    files["automate/stray.yaml"] = b"a: b"
    files["automate/D/NS/C.class/u.yaml"] = sheet("instance", {"name": "u", "colour": "red", "relative_path": "x"})
    words = (
        "do not inherit",
        "no built-in",
        "'colour'",
        "in no domain",
        "no class that can be seen",
    )
    told = [p.what for p in _problems(files, "warning")]
    assert [word for word in words if not any(word in what for what in told)] == []
    assert len(told) == len(words) + 1
    assert _problems(files) == []


def test_scalars_of_yaml_are_text_in_a_fixed_way() -> None:
    files = files_of(domain("D", klass("NS", "C", [(n, "attribute") for n in "abcd"], {})))
    text = "object:\n  attributes: {name: i}\n  fields:\n"
    for name, value in zip("abcd", ("yes", "7", "2030-01-02", "1.50"), strict=True):
        text += f"  - {name}: {{value: {value}}}\n"
    files["automate/D/NS/C.class/i.yaml"] = text.encode()
    domains, _ = load_domains(files, "automate")
    root = run(Datastore(domains), "/NS/C/i").root
    assert root is not None
    assert root.attributes == {"a": "true", "b": "7", "c": "2030-01-02", "d": "1.5"}


def test_a_null_substitute_is_false_and_an_absent_one_true() -> None:
    fields = [
        ("a", "attribute", {"default_value": "${#x}", "substitute": None}),
        ("b", "attribute", {"default_value": "${#x}"}),
    ]
    root = run(datastore(domain("D", klass("NS", "C", fields, {"i": {}}))), "/NS/C/i?x=1").root
    assert root is not None
    assert (root.get("a"), root.get("b")) == ("${#x}", "1")


def _read(files: dict[str, bytes]) -> tuple[Datastore, list[Problem]]:
    return read_automate(files, None)  # type: ignore[arg-type]  # the reader needs nothing of the rest of the site


def test_the_sites_domains_stand_above_the_shipped_one() -> None:
    store, problems = _read(files_of(domain("Low", priority=-5), domain("High", priority=3)))
    assert [d.name for d in store.domains] == ["High", "Low", "Catchment"]
    assert problems == []


def test_the_name_of_the_shipped_domain_is_taken() -> None:
    _, problems = _read(files_of(domain("catchment")))
    assert [(p.path, p.severity) for p in problems] == [("automate/catchment/__domain__.yaml", "error")]


def test_one_name_twice_is_an_error_and_one_priority_twice_a_warning() -> None:
    files = files_of(domain("A"), domain("B"))
    files["automate/B/__domain__.yaml"] = sheet("domain", {"name": "a", "priority": 1})
    assert [p.severity for p in _read(files)[1]] == ["error", "warning"]


def test_a_relationship_that_leads_nowhere_is_told_with_its_line() -> None:
    instances = {
        "i": {"r": "/NS/None/x", "go": "nothing"},
        "j": {"r": "/System/event_handlers/refresh", "go": "/System/event_handlers.refresh"},
    }
    _, problems = _read(files_of(domain("D", klass("NS", "C", FIELDS, instances))))
    assert [(p.path, p.line, p.severity) for p in problems] == [
        ("automate/D/NS/C.class/i0.yaml", 8, "warning"),
        ("automate/D/NS/C.class/i0.yaml", 10, "warning"),
    ]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(min_value=0, max_value=2**32))
def test_a_damaged_tree_gives_clear_problems_and_nothing_else(seed: int) -> None:
    luck = random.Random(seed)
    files = files_of(SMALL)
    for _ in range(luck.randint(1, 4)):
        path = luck.choice(sorted(files))
        content = bytearray(files[path])
        for _ in range(luck.randint(1, 6)):
            place = luck.randrange(len(content) + 1)
            content[place : place + luck.randint(0, 3)] = bytes(
                luck.choice(b"\n:-[]{}&*!|>'\"%@` \tabc019\x00\xff<") for _ in range(luck.randint(0, 3))
            )
        files[path] = bytes(content)
        if luck.random() < 0.2:
            files.pop(path)
    store, problems = _read(files)
    assert all(p.what and p.mend and p.path.startswith("automate") for p in problems)
    assert all(p.line is None or p.line >= 1 for p in problems)
    assert run(store, "/NS/C/i").outcome in ("ok", "missing", "error")
