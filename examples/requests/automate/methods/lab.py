"""Methods of the domain Lab: each is handed the service of its call, and what it returns is passed over."""

from pathlib import Path

#: So much of the file is kept.
LONGEST = 200


def begin(service):
    """Count how often the machine began: once, whatever happens on its way."""
    service.state["began"] = service.state.get("began", 0) + 1


def wait(service):
    """Have the state tried again in two seconds, until the file is there."""
    if not Path(service.root["marker"]).is_file():
        service.retry(after="2.seconds")


def tell(service):
    """Leave what was found in the task's options, for whoever asked."""
    with Path(service.root["marker"]).open(encoding="utf-8") as marker:
        service.task["found"] = marker.read(LONGEST).strip()
    service.task["began"] = service.state["began"]
    service.log("info", "the file is there")
