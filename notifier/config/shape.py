"""How every entry of NOTIFIER is read: unknown keys are mistakes, values are never shown."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Lower(BaseModel):
    """An entry of an ordered list, with keys in lower case."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Upper(BaseModel):
    """A table with keys in upper case, as in Django's CACHES."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, alias_generator=str.upper)
