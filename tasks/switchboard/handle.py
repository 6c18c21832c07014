"""The stage's pure work on one event: enter at ``/System/Process/Event``, note what that sets in motion."""

from __future__ import annotations

from tasks.model.event import DELIVERY, POLICY_EVENT, REQUEST_EVENT, Event
from tasks.model.outcome import Again, Delivered, Finding, Outcome, Plan, View
from tasks.switchboard.consequences import Prepared, carry_out
from tasks.switchboard.datastore import Datastore
from tasks.switchboard.recipe import recipe_for

#: The shortest pause before the next delivery, in seconds: one that asks for none must not run without end.
SHORTEST_PAUSE = 1.0


def switchboard_handler(event: Event, view: View) -> Outcome:
    """Conclude on one event: its plan, the events that it raises, and a finding for each step.

    What ends a delivery by the rules of Automate (spec automate 3.3) is a finding with the verdict
    ``error``; what was done before stands, and the event goes on. Where a state machine asks for a retry the
    event stays, with all that the next delivery needs (5.4).
    """
    datastore: Datastore = view.site.part("automate")
    plan = Plan.from_dict(event.plan)
    plan.kept = None
    outcome = Outcome(plan=plan)
    waited_for = event.namespace in (REQUEST_EVENT, DELIVERY)
    if waited_for and (delivery := view.delivery(event.id)) is not None and delivery.canceled:
        outcome.findings.append(Finding("delivery", delivery.uri, "canceled"))
        outcome.delivered = Delivered("error", "canceled")
        return outcome
    if event.namespace == POLICY_EVENT and event.event_type not in view.site.definitions:
        # Nothing may be set in motion by a name that nobody defined (G21); an alert may still ask for it.
        plan.alerts = True
        detail = {"reason": "no internal event has this name: define it in events/*.yaml; alerts alone are asked"}
        outcome.findings.append(Finding("event", event.event_type, "not defined", detail))
        return outcome
    recipe = recipe_for(datastore, event, view)
    outcome.options = recipe.options
    for step in recipe.steps:
        outcome.findings.append(carry_out(step, event, outcome, plan) if isinstance(step, Prepared) else step)
    if recipe.continuation is not None:
        pause = max(SHORTEST_PAUSE, recipe.after)
        outcome.findings.append(Finding("delivery", "retry", "waits", {"seconds": pause}))
        outcome.again = Again(pause, recipe.continuation.as_dict())
    elif waited_for:
        outcome.delivered = Delivered(recipe.result, recipe.reason)
    return outcome
