"""``catchment automate`` and ``catchment simulate --uri | --event``, on a folder of domains with nothing beside it."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.unit.switchboard.small_datastores import domain, files_of, klass
from workers.cli.main import catchment

HANDLER = ["refresh", {"location": "builtin"}]
NO_ROOT = {"namespace": "a", "source": "b", "event_type": "c", "root": 3}
ENTRY = "/System/Event/${/#event_stream.event_namespace}/${/#event_stream.source}/${/#event_type}"


@pytest.fixture
def domains(tmp_path: Path) -> Path:
    """Two domains: a base with an event tree, and one above it that overlays an instance and adds another."""
    process = klass("System", "Process", [("rel5", "relationship")], {"Event": {"rel5": ENTRY}})
    values = {"known": {"go": "/System/Handlers.refresh", "note": "base"}, ".missing": {}}
    fields = [("note", "attribute"), ("go", "method"), ("later", "method", {"message": "other", "default_value": "x"})]
    source = klass("System/Event/EmsEvent", "Lab", fields, values)
    base = domain("Base", process, source, klass("System", "Handlers", [("go", "method")], {}, [HANDLER]), priority=0)
    mine = {"known": {"note": "mine"}, "new": {"go": "script"}}
    over = klass("System/Event/EmsEvent", "Lab", fields, mine, ["script"])
    folder = tmp_path / "domains"
    for path, content in files_of(base, domain("Mine", over, priority=5), root="").items():
        file = folder / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return folder


def run(*arguments: str, domains: Path | None = None, code: int = 0, stdin: str = "") -> Result:
    more = ["--domains", str(domains)] if domains else []
    result = CliRunner().invoke(catchment, [*arguments, *more], input=stdin, env={"COLUMNS": None})
    assert result.exit_code == code, (result.stdout, result.stderr, result.exception)
    return result


def resolved(domains: Path, *events: Any) -> list[dict[str, Any]]:
    lines = "".join(f"{event if isinstance(event, str) else json.dumps(event)}\n" for event in events)
    answer = run("automate", "resolve", "--events", "-", domains=domains, stdin=lines).stdout
    return [json.loads(line) for line in answer.splitlines()]


def lab(event_type: str, **root: Any) -> dict[str, Any]:
    return {"namespace": "EmsEvent", "source": "LAB", "event_type": event_type, **({"root": root} if root else {})}


def test_each_line_gets_one_line(domains: Path) -> None:
    new, missing, broken, blank, known = resolved(domains, lab("new"), lab("nobody"), "{", "", lab("KNOWN"))
    assert new["calls"] == [{"method": "/Mine/System/Event/EmsEvent/Lab/script", "location": "inline", "inputs": {}}]
    assert (new["outcome"], missing["outcome"], missing["calls"], missing["errors"]) == ("ok", "ok", [], [])
    assert missing["objects"][-1] == "/Base/System/Event/EmsEvent/Lab/.missing#create"
    assert known["objects"][-1] == "/Mine/System/Event/EmsEvent/Lab/known#create"
    for line in (broken, blank):
        assert line["outcome"] == "error"
        assert "cannot be read" in line["errors"][0]["message"]


@pytest.mark.parametrize("event", [{"namespace": 1}, [], NO_ROOT])
def test_what_is_no_event_is_told(domains: Path, event: Any) -> None:
    assert resolved(domains, event)[0]["outcome"] == "error"


def test_event_type_is_data_and_an_unknown_source_is_missing(domains: Path) -> None:
    star, other = resolved(domains, lab("*"), {**lab("x"), "source": "ELSEWHERE"})
    assert star["objects"][-1].endswith("/.missing#create")
    assert other["outcome"] == "missing"
    assert other["errors"][0]["address"] == "/System/Event/EmsEvent/ELSEWHERE/x"


def test_ls_show_diff_and_resolve(domains: Path) -> None:
    listed = json.loads(run("automate", "ls", "--json", domains=domains).stdout)
    assert [(row["path"], row["path"] and row["domain"]) for row in listed] == [("/Mine", "5"), ("/Base", "0")]
    inside = run("automate", "ls", "/System/Event/EmsEvent/Lab", domains=domains).stdout
    assert "/Mine/System/Event/EmsEvent/Lab/new" in inside
    assert "/Base/System/Event/EmsEvent/Lab/.missing" in inside
    shown = json.loads(run("automate", "show", "/System/Event/EmsEvent/Lab/known", "--json", domains=domains).stdout)
    assert shown["path"] == "/Mine/System/Event/EmsEvent/Lab/known"
    assert {f["field"]: (f["value"], f["from"]) for f in shown["fields"]} == {
        "note": ("mine", "instance"),
        "later": ("x", "class"),
    }
    lab_class = "/System/Event/EmsEvent/Lab"
    rows = json.loads(run("automate", "diff", lab_class, "--json", domains=domains).stdout)
    changes = {row["name"]: row for row in rows}
    assert changes["known"]["over"] == ["Base"]
    assert changes["known"]["changes"] == ["go: /System/Handlers.refresh -> -", "note: base -> mine"]
    assert changes["new"]["changes"] == ["new"]
    assert ".missing" not in changes
    candidates = json.loads(run("automate", "resolve", f"{lab_class}/known", "--json", domains=domains).stdout)
    assert [c["note"] for c in candidates["candidates"]] == ["counts", "", ""]
    assert "nothing is overlaid" in run("automate", "diff", "/System/Process", domains=domains).stdout
    for command in (("ls", "/Nowhere"), ("show", "/No/Where/x"), ("diff", "/No/Where")):
        assert "/No" in run("automate", *command, domains=domains, code=2).stderr
    assert "builtin" in run("automate", "ls", "/System/Handlers", domains=domains).stdout


def test_a_broken_folder_is_told_whole(domains: Path, tmp_path: Path) -> None:
    for file in list(domains.rglob("__class__.yaml"))[:2]:
        file.write_text("object: [")
    told = run("automate", "ls", domains=domains, code=2).stderr
    assert told.count("__class__.yaml") == 2
    (tmp_path / "empty").mkdir()
    assert "holds no domain" in run("automate", "ls", domains=tmp_path / "empty", code=2).stderr


def test_checks_are_run_and_what_differs_is_told(domains: Path, tmp_path: Path) -> None:
    about = {"domains": "manageiq-system"}
    known, new = ("/System/Event/EmsEvent/Lab/known", "/System/Event/EmsEvent/Lab/new")
    checks = [
        {"id": "holds", "text": "it does", **about, "uri": known, "expect": {"names": []}},
        {"id": "fails", **about, "uri": new, "expect": {"names": ["other"]}},
        {"id": "unreadable", "domains": [{}], "uri": "/a/b/c", "expect": {}},
    ]
    file = tmp_path / "checks.json"
    file.write_text(json.dumps(checks))
    answer = run("automate", "check", str(file), "--json", domains=domains, code=1).stdout
    holds, fails, unreadable = map(json.loads, answer.splitlines())
    assert (holds["ok"], fails["ok"], unreadable["ok"]) == (True, False, False)
    assert fails["differences"] == ["names: expected ['other'], found ['script']"]
    assert "1 of 3 hold" in run("automate", "check", str(file), domains=domains, code=1).stdout
    assert "name one with --domains" in run("automate", "check", str(file), code=1).stdout
    file.write_text("{")
    assert "is no JSON" in run("automate", "check", str(file), code=2).stderr


def test_H01_export_gives_the_same_bytes_and_the_same_domain(domains: Path, tmp_path: Path) -> None:
    body = next(domains.rglob("script.yaml")).with_suffix(".rb")
    body.write_text("exit 0\n")
    for name in ("one", "two"):
        run("automate", "export", str(domains), str(tmp_path / name))
    run("automate", "export", str(tmp_path / "one"), str(tmp_path / "three"))
    trees = [
        {p.relative_to(tmp_path / n).as_posix(): p.read_bytes() for p in (tmp_path / n).rglob("*") if p.is_file()}
        for n in ("one", "two", "three")
    ]
    assert trees[0] == trees[1] == trees[2]
    assert "Base/System/Event/EmsEvent/Lab.class/_missing.yaml" in trees[0]
    assert trees[0]["Mine/System/Event/EmsEvent/Lab.class/__methods__/script.rb"] == b"exit 0\n"
    run("automate", "export", str(domains), str(tmp_path / "a.zip"))
    run("automate", "export", str(domains), str(tmp_path / "b.zip"))
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    assert resolved(tmp_path / "a.zip", lab("new"), lab("known")) == resolved(domains, lab("new"), lab("known"))
    assert "is there already" in run("automate", "export", str(domains), str(tmp_path / "one"), code=2).stderr


def test_zip_that_leads_out_or_is_none_is_refused(tmp_path: Path) -> None:
    bad = tmp_path / "bad.zip"
    with zipfile.ZipFile(bad, "w") as packed:
        packed.writestr("../../etc/__domain__.yaml", "object: {}")
    assert "leads out of it" in run("automate", "ls", domains=bad, code=2).stderr
    bad.write_bytes(b"PK nothing")
    assert "cannot be read" in run("automate", "ls", domains=bad, code=2).stderr


def test_simulate_shows_the_tree_with_substitutions_methods_and_skipped_fields(domains: Path) -> None:
    told = run("simulate", "--event", "EmsEvent/LAB/new", domains=domains).stdout
    assert "written" in told
    assert "calls [inline] /Mine/System/Event/EmsEvent/Lab/script()" in told
    assert "later is skipped: it answers to other" in told
    found = json.loads(run("simulate", "--event", "EmsEvent/LAB/known", "--json", domains=domains).stdout)
    [entry] = found["objects"]
    assert entry["steps"][0]["written"] == ENTRY
    assert entry["children"][0]["attributes"] == {"note": "mine"}
    assert entry["children"][0]["skipped"] == [{"field": "later", "answers_to": ["other"]}]
    uri = run("simulate", "--uri", "/System/Event/EmsEvent/Lab/known#other", domains=domains, code=1)
    assert "Method" in uri.stdout
    assert "write NAMESPACE/SOURCE/TYPE" in run("simulate", "--event", "x", domains=domains, code=2).stderr
    assert "go with --uri" in run("simulate", domains=domains, code=2).stderr
