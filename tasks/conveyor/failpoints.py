"""Places where a fault test kills the process, to show that nothing depends on getting past them.

``CATCHMENT_FAILPOINT=catch.before_ack:/tmp/once`` kills the process that first reaches that place, by
SIGKILL, and leaves the file behind: the process that is started in its stead goes on. Without the variable
a place costs one comparison.
"""

from __future__ import annotations

import os
import signal

_NAME, _, _ONCE = os.environ.get("CATCHMENT_FAILPOINT", "").partition(":")


def reach(name: str) -> None:
    """Die here if a fault test says so and nobody has died here yet."""
    if name != _NAME:
        return
    try:
        os.close(os.open(_ONCE, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return
    os.kill(os.getpid(), signal.SIGKILL)
