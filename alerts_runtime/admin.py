"""What all pages of ours in Django's admin have in common: they show and change nothing, whatever the query is."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import BadRequest, ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import NoReverseMatch, reverse


class Listed(admin.ModelAdmin):  # type: ignore[type-arg]  # Django's admin has no generic classes at run time
    """A list that loads no long texts, and answers 400 to a filter that a database cannot be asked."""

    long_fields: tuple[str, ...] = ()  # loaded for one row, not for a page of rows
    page_of: tuple[str, str] = ("", "")  # URL name of the operator's page for a row, and the field in that URL

    def view_on_site(self, obj: Any) -> str | None:
        """The operator's page for this row, behind Django's "View on site"; none where those pages have no URL."""
        name, field = self.page_of
        with suppress(NoReverseMatch):
            return reverse(name, args=[getattr(obj, field)]) if name else None
        return None

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).defer(*self.long_fields)

    def changelist_view(self, request: HttpRequest, extra_context: Mapping[str, Any] | None = None) -> HttpResponse:
        sent = [*request.GET.lists(), *request.POST.lists()]
        if not all(_can_be_asked(text) for name, values in sent for text in (name, *values)):
            raise BadRequest("What was sent holds a character that no text in the database can hold.")
        for chosen in request.POST.getlist(ACTION_CHECKBOX_NAME):
            try:
                self.opts.pk.clean(chosen, None)
            except ValidationError:
                raise BadRequest("A row was chosen that cannot exist.") from None
        return super().changelist_view(request, dict(extra_context or {}))


class ReadOnly:
    """For a ModelAdmin or an inline whose rows only the code may write."""

    def has_add_permission(self, *_: Any) -> bool:
        return False

    def has_change_permission(self, *_: Any) -> bool:
        return False

    def has_delete_permission(self, *_: Any) -> bool:
        return False


def _can_be_asked(text: str) -> bool:
    """PostgreSQL knows no NUL, and UTF-8 no half of a surrogate pair."""
    return "\0" not in text and not any("\ud800" <= sign <= "\udfff" for sign in text)
