"""The door of convert."""

from __future__ import annotations

from tasks.convert.normalise import normaliser
from tasks.conveyor.installation import current
from tasks.conveyor.stage import stage_task
from tasks.model.event import Event
from tasks.model.outcome import Outcome, View
from tasks.providers.table import kinds


def _convert(event: Event, view: View) -> Outcome:
    converters = {name: kinds()[provider.kind].converter for name, provider in current().site.providers.items()}
    return normaliser(converters)(event, view)


run = stage_task("convert", _convert)
