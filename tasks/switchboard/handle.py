"""The stage's pure work on one event: enter at ``/System/Process/Event``, note what that sets in motion."""

from __future__ import annotations

from tasks.model.event import Event
from tasks.model.outcome import Outcome, Plan, View
from tasks.switchboard.consequences import Prepared, carry_out
from tasks.switchboard.datastore import Datastore
from tasks.switchboard.recipe import recipe_for


def switchboard_handler(event: Event, view: View) -> Outcome:
    """Conclude on one event: its plan, the events that it raises, and a finding for each step.

    What ends a delivery by the rules of Automate (spec automate 3.3) is a finding with the verdict
    ``error``; what was done before stands, and the event goes on.
    """
    datastore: Datastore = view.site.part("automate")
    plan = Plan()
    outcome = Outcome(plan=plan)
    for step in recipe_for(datastore, event, view).steps:
        outcome.findings.append(carry_out(step, event, outcome, plan) if isinstance(step, Prepared) else step)
    return outcome
