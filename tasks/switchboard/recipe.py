"""What a delivery comes to, remembered for event types whose way depends on nothing but the type."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from tasks.model.event import Event
from tasks.model.outcome import Finding, Plan, View
from tasks.switchboard.builtin import BUILTINS
from tasks.switchboard.consequences import Prepared, prepare
from tasks.switchboard.datastore import Datastore
from tasks.switchboard.engine import ENTRY, resolve
from tasks.switchboard.entry import World, given_for
from tasks.switchboard.intervals import whole_seconds
from tasks.switchboard.position import Continuation
from tasks.switchboard.python import Functions, PythonRunner
from tasks.switchboard.text import bounded, text_of
from tasks.switchboard.workspace import Call, Workspace

#: Namespace, source and type of an event.
Key = tuple[str, str, str]

#: Recipes that are kept of one datastore. Event types come from outside and have no end.
MAX_RECIPES = 4096
#: A type longer than this is resolved each time, so that the memory for recipes is bounded.
MAX_TYPE = 255
#: Steps of one delivery that are told; calls are always carried out.
MAX_TOLD = 100


@dataclass(frozen=True, slots=True)
class Recipe:
    """The steps of a delivery in order, calls among them, how it ended, and what the next one goes on with.

    ``result`` is that of the first object, ``reason`` what was said of an error.
    """

    steps: tuple[Finding | Prepared, ...]
    result: str = "ok"
    reason: str = ""
    continuation: Continuation | None = None
    after: float = 0.0
    options: dict[str, Any] | None = None

    @classmethod
    def of(cls, workspace: Workspace, options: dict[str, Any] | None = None) -> Recipe:
        """What a run left behind, cut to what is told."""
        steps: list[Finding | Prepared] = []
        left_out = workspace.left_out
        for step in workspace.trace:
            if isinstance(step, Call):
                steps.append(_prepared(step))
            elif len(steps) < MAX_TOLD:
                steps.append(step)
            else:
                left_out += 1
        if left_out:
            steps.append(Finding("delivery", workspace.uri, "cut", {"left_out": left_out}))
        if workspace.error is not None:
            detail = {"error": type(workspace.error).__name__, "text": bounded(str(workspace.error), 500)}
            steps.append(Finding("delivery", workspace.uri, "error", detail))
        root = workspace.root
        if root is None:
            return cls(tuple(steps), workspace.result, bounded(str(workspace.error or ""), 500), options=options)
        told = workspace.error or text_of(root.get("ae_message")) or text_of(root.get("ae_reason"))
        after = whole_seconds(root.get("ae_retry_interval"))
        return cls(tuple(steps), workspace.result, bounded(str(told), 500), workspace.continuation, after, options)


def _prepared(call: Call) -> Finding | Prepared:
    # A built-in that does not exist has ended the delivery; there is nothing to carry out.
    if call.location == "builtin" and call.implementation not in BUILTINS:
        reason = f"there is no built-in {bounded(call.implementation)}"
        return Finding("method", call.method, "error", {"reason": reason})
    return prepare(call)


def recipe_for(datastore: Datastore, event: Event, view: View) -> Recipe:
    """The recipe of an event: a remembered one, or that of a new run."""
    key = (event.namespace, event.source, event.event_type)
    recipes = datastore.recipes
    kept = Plan.from_dict(event.plan).kept
    known: Recipe | None = recipes.get(key) if kept is None else None
    if known is not None:
        _keep_fresh(recipes, key)
        return known
    given, uri = given_for(event, view)
    world = World(event, view)
    runner = PythonRunner(datastore.functions or Functions(), world)
    before = Continuation.from_dict(kept) if kept is not None else None
    workspace = resolve(datastore, given, uri, runner=runner, now=view.now, before=before, lookup=world.lookup)
    recipe = Recipe.of(workspace, world.changed)
    lasting = not (given.looked_further or runner.used or before or workspace.continuation)
    if lasting and uri == ENTRY and len(event.event_type) <= MAX_TYPE:
        recipes[key] = recipe
        if len(recipes) > MAX_RECIPES:
            _forget_oldest(recipes)
    return recipe


def _keep_fresh(recipes: OrderedDict[Key, Recipe], key: Key) -> None:
    try:
        recipes.move_to_end(key)
    except KeyError:
        return  # another thread has forgotten it meanwhile


def _forget_oldest(recipes: OrderedDict[Key, Recipe]) -> None:
    try:
        recipes.popitem(last=False)
    except KeyError:
        return  # another thread was quicker
