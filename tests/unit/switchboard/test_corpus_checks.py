"""The executable checks of spec automate 8, each with the datastore that it brings."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from tasks.switchboard.checks import run_check
from tasks.switchboard.datastore import Datastore
from tasks.switchboard.load import load_domains

CORPUS = Path(__file__).resolve().parents[3] / "../shared/corpus/automate"

pytestmark = [
    pytest.mark.corpus,
    pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus beside the repository is absent"),
]


@lru_cache(maxsize=1)
def _checks() -> dict[str, dict[str, Any]]:
    if not CORPUS.is_dir():
        return {}
    return {check["id"]: check for check in json.loads((CORPUS / "checks.json").read_text())}


@lru_cache(maxsize=1)
def _system() -> Datastore:
    base = CORPUS / "domain"
    files = {f"automate/{p.relative_to(base)}": p.read_bytes() for p in base.rglob("*.yaml")}
    return Datastore(load_domains(files, "automate")[0])


@pytest.mark.parametrize("name", sorted(_checks()))
def test_check_of_the_corpus_holds(name: str) -> None:
    assert run_check(_checks()[name], _system()).differences == []
