"""Whether a 404 is the engine's word that there is no such object."""

from __future__ import annotations

from tasks.model.errors import CatchmentError
from tasks.providers.ovirt.attributes import part
from tasks.providers.ovirt.engine import Engine
from tasks.providers.ovirt.failures import EngineRefusal


def says_gone(engine: Engine, refusal: EngineRefusal) -> bool:
    """Whether the engine itself answered 404 (spec capture 9 C2): a proxy that has lost its engine does as well.

    The engine says it with a fault in JSON. Some versions say it with an empty body: then the engine must answer
    for itself.
    """
    if refusal.status != 404:
        return False
    if refusal.said:
        return True
    if not refusal.silent:
        return False
    try:
        return part(engine.get("/"), "product_info") is not None
    except CatchmentError:
        return False
