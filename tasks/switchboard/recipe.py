"""What a delivery comes to, remembered for event types whose way depends on nothing but the type."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from tasks.model.event import Event
from tasks.model.outcome import Finding, View
from tasks.switchboard.builtin import BUILTINS
from tasks.switchboard.consequences import Prepared, prepare
from tasks.switchboard.datastore import Datastore
from tasks.switchboard.engine import ENTRY, resolve
from tasks.switchboard.given import Given
from tasks.switchboard.text import bounded
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
    """The steps of a delivery in order, calls among them, and how it ended."""

    steps: tuple[Finding | Prepared, ...]

    @classmethod
    def of(cls, workspace: Workspace) -> Recipe:
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
        return cls(tuple(steps))


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
    known: Recipe | None = recipes.get(key)
    if known is not None:
        _keep_fresh(recipes, key)
        return known
    given = Given(event, view)
    recipe = Recipe.of(resolve(datastore, given, ENTRY))
    if not given.looked_further and len(event.event_type) <= MAX_TYPE:
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
