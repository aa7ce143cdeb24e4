"""Takes away what the audit log has kept long enough. A chore of every sweep that works once an hour."""

import time
from datetime import timedelta
from typing import Final

from workloads.controllers.platform import Platform

PERIOD_S: Final = 3600.0


class AuditRetention:
    """Keeps the log as long as the stack's config says."""

    def __init__(self, platform: Platform) -> None:
        self._store, self._keep = platform.store, timedelta(days=platform.config.audit_days)
        self._next = 0.0

    def prune(self) -> None:
        """Once an hour."""
        if time.monotonic() >= self._next:
            self._store.audit.prune(self._keep)
            self._next = time.monotonic() + PERIOD_S
