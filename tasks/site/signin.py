"""Signs in to a provider's cloud when it is first needed, once in a process."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(slots=True)
class SignIn:
    """Builds the session of one cloud of ``clouds.yaml`` on the first call, and hands it out from then on."""

    cloud: str
    clouds_file: Path
    _made: tuple[int, Any] | None = field(default=None, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def __call__(self) -> Any:
        """The session. Raises what signing in raises."""
        with self._lock:
            # A session holds connections, which a forked process must not share with its parent.
            if self._made is None or self._made[0] != os.getpid():
                # Here and not above: a site is read and checked without the cloud libraries.
                from tasks.providers.openstack.session import cloud_session

                self._made = (os.getpid(), cloud_session(self.cloud, self.clouds_file))
            return self._made[1]
