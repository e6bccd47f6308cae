"""Which tables belong where."""

from __future__ import annotations

from typing import Any

from demo.shop.premises import LEDGER


class LedgerRouter:
    """The ledger is the shop's own: no model of Django's lives there."""

    def allow_migrate(self, db: str, app_label: str, **_: Any) -> bool | None:
        return False if db == LEDGER else None
