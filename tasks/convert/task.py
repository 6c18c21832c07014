"""The door of convert."""

from __future__ import annotations

from tasks.convert.normalise import normaliser
from tasks.conveyor.stage import stage_task
from tasks.model.event import Event
from tasks.model.outcome import Outcome, View
from tasks.providers.table import converter_of


def convert_handler(event: Event, view: View) -> Outcome:
    """Convert by the converter of the event's provider, as the present site has it."""
    provider = view.site.providers.get(event.provider)
    converters = {event.provider: converter_of(provider)} if provider is not None else {}
    return normaliser(converters)(event, view)


run = stage_task("convert", convert_handler)
