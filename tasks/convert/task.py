"""The door of convert."""

from __future__ import annotations

from tasks.convert.normalise import normaliser
from tasks.conveyor.stage import stage_task
from tasks.model.event import Event
from tasks.model.outcome import Outcome, View
from tasks.providers.table import kinds


def convert_handler(event: Event, view: View) -> Outcome:
    """Convert by the converter of the provider's kind, as the present site names and configures it."""
    provider = view.site.providers.get(event.provider)
    if provider is None:
        return normaliser({})(event, view)
    converters = {event.provider: kinds()[provider.kind].converter_for(provider.options)}
    return normaliser(converters)(event, view)


run = stage_task("convert", convert_handler)
