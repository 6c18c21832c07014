"""A listener as operators run it today, for comparison: what spec esi 5 and 6 say of it, and no more.

It takes messages as delivered the moment they come, hands values to a shell, and ends at the first one that it did not
expect. Whoever looks after it may start it again.
"""

from __future__ import annotations

import configparser
import json
import os
import re
from pathlib import Path
from typing import Any

import amqp


class PlainListener:
    """Listens on queues of a broker. ``handled`` counts messages that came to their end."""

    def __init__(self, conf: str, folder: Path, host: str, queues: list[str]) -> None:
        parser = configparser.ConfigParser()
        parser.read_string(conf)
        self._sections = [parser[name] for name in parser.sections()]
        self._folder, self._host, self._queues = folder, host, queues
        self.handled = 0

    def listen(self, number: int | None = None) -> BaseException | None:
        """Take what waits, or so many messages, until all are handled or something breaks; what broke, or None."""
        before = Path.cwd()
        os.chdir(self._folder)
        try:
            with amqp.Connection(self._host, "guest", "guest") as connection:
                channel = connection.channel()
                waiting = sum(channel.queue_declare(q, passive=True).message_count for q in self._queues)
                for queue in self._queues:
                    channel.basic_consume(queue, no_ack=True, callback=self._take)
                target = self.handled + (waiting if number is None else number)
                while self.handled < target:
                    connection.drain_events(timeout=30)
        except Exception as error:
            return error
        finally:
            os.chdir(before)
        return None

    def _take(self, message: Any) -> None:
        told = json.loads(json.loads(message.body)["oslo.message"])
        data = told["payload"]["esi_leap_object.data"]
        for section in self._sections:
            if told["event_type"] in section["events"].split(","):
                self._act(section, data)
        self.handled += 1

    def _act(self, section: configparser.SectionProxy, data: dict[str, Any]) -> None:
        for key, pattern in json.loads(section.get("filter_params", "{}")).items():
            if not re.match(pattern, _walk(data, key)):
                return
        values = [_walk(data, key) for key in section["script_params"].split(",")]
        os.system(f"{section['script']} {' '.join(values)}")


def _walk(data: Any, key: str) -> Any:
    for part in key.split("."):
        data = data[part]
    return data
