"""One delivery to the Automate engine, tried and shown as the tree of objects that it built."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from rich.tree import Tree

from tasks.switchboard.engine import ENTRY, resolve
from tasks.switchboard.offline import root_of_event
from tasks.switchboard.python import Functions, PythonRunner
from tasks.switchboard.tree import tree_of
from workers.cli.domains import datastore
from workers.cli.output import console, short, text


class NoWorld:
    """What a Python method knows of the world when it is tried: nothing, and what it sets is kept nowhere."""

    event: Mapping[str, Any] = {}
    request: Mapping[str, Any] = {}

    def __init__(self) -> None:
        self.task: dict[str, Any] = {}

    def inventory(self, kind: str, ref: str) -> None:
        """Nothing is known."""


def show(
    uri: str | None,
    event: str | None,
    roots: Sequence[str],
    domains: Path | None,
    site: str | None,
    *,
    as_json: bool,
) -> int:
    """Resolve an address or an event and print its tree; returns the exit status, 1 where it ended in an error."""
    if site is not None:
        os.environ["CATCHMENT_SITE"] = site
    store = datastore(domains)
    given = _given(event, roots)
    runner = PythonRunner(store.functions or Functions(), NoWorld())
    workspace = resolve(store, given, uri or ENTRY, runner=runner)
    found = tree_of(workspace)
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False))
    else:
        console().print(_tree(found))
    return 1 if workspace.error is not None else 0


def _given(event: str | None, roots: Sequence[str]) -> dict[str, Any]:
    pairs = [pair.partition("=") for pair in roots]
    if any(not separator for _, separator, _ in pairs):
        raise click.BadParameter("write --root NAME=VALUE", param_hint="--root")
    root = {name: value for name, _, value in pairs}
    if event is None:
        return {name.lower(): value for name, value in root.items()}
    parts = event.split("/", 2)
    if len(parts) != 3:
        raise click.BadParameter(
            "write NAMESPACE/SOURCE/TYPE, as EmsEvent/OPENSTACK/image.create", param_hint="--event"
        )
    return root_of_event({"namespace": parts[0], "source": parts[1], "event_type": parts[2], "root": root})


def _tree(found: Mapping[str, Any]) -> Tree:
    colour = "bold red" if found["error"] else "bold"
    top = Tree(text(f"{found['uri']}: {found['result']}", colour))
    for built in found["objects"]:
        _branch(top, built)
    for loose in found["dropped"]:
        top.add(text(f"outside of the tree, {loose['of']}: {_step(loose)}", "yellow"))
    for fault in found["faults"]:
        top.add(text(f"passed over {fault['address']}: {fault['message']}", "yellow"))
    if found["left_out"]:
        top.add(text(f"{found['left_out']} further steps are not told", "yellow"))
    if found["error"]:
        top.add(text(found["error"], "bold red"))
    return top


def _branch(above: Tree, built: Mapping[str, Any]) -> None:
    stands_in = " (.missing stands in)" if built["missing"] else ""
    here = above.add(text(f"{built['path']}#{built['message']}{stands_in}", "cyan"))
    for name, value in built["attributes"].items():
        here.add(text(f"{name} = {short(value, 120)}", "dim"))
    children = {(child["path"], child["message"]): child for child in built["children"]}
    for step in built["steps"]:
        branch = here.add(text(_step(step)))
        if step["kind"] == "instance":
            for key in [key for key in children if key[0] == step["name"]][:1]:
                _branch(branch, children.pop(key))
    for child in children.values():
        _branch(here, child)
    for field in built["skipped"]:
        here.add(
            text(f"{field['field']} is skipped: it answers to {', '.join(field['answers_to']) or 'nothing'}", "dim")
        )


def _step(step: Mapping[str, Any]) -> str:
    if step["kind"] == "method" and "inputs" in step:
        inputs = ", ".join(f"{name}={short(value, 60)}" for name, value in step["inputs"].items())
        return f"calls [{step['location']}] {step['name']}({inputs})"
    if step["kind"] == "instance" and "field" in step:
        written = f", written {step['written']}" if "written" in step else ""
        return f"{step['field']} -> {step['address']}: {step['verdict']}{written}"
    rest = {key: value for key, value in step.items() if key not in ("kind", "name", "verdict", "of")}
    return f"{step['kind']} {step['name']}: {step['verdict']}{' ' + short(rest, 200) if rest else ''}"
