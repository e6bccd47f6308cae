"""Alerts, what was told of them, silences and overrides, in Django's admin. Everything but these two is read-only."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from alerts_runtime.admin import Listed, ReadOnly
from alerts_runtime.leasing import clock
from alerts_runtime.redaction.masking import masked
from notifier.answers import door
from notifier.answers.commands import Asker, Command, Verb
from notifier.config.conf import get_policy
from notifier.flow import ignores, silences
from notifier.messages.oncall import taken
from notifier.messages.wording import counted
from notifier.models import (
    Alert,
    Attempt,
    Digest,
    Handover,
    Ignored,
    Notification,
    Occurrence,
    Override,
    Silence,
    Target,
)
from notifier.oncall import overrides

NAMED = 5  # alerts whose answer is shown, of those that were chosen together


class NotificationInline(ReadOnly, admin.TabularInline):  # type: ignore[type-arg]  # not generic at run time
    model = Notification
    fields = ("target", "route", "told_seq", "told_at", "reason", "due_at", "held_words", "instead_of", "last_error")
    readonly_fields = fields
    extra = 0


@admin.register(Alert)
class AlertAdmin(ReadOnly, Listed):
    page_of = ("notifier_pages:alert", "pk")
    long_fields = ("traceback", "message", "hint", "context", "exceptions", "frame")
    list_display = ["id", "severity", "headline", "count", "opened_at", "last_at", "acknowledged_until", "resolved_at"]
    list_filter = [("resolved_at", admin.EmptyFieldListFilter), "severity", "category", "livemode", "source"]
    search_fields = ["event_type", "title", "message", "occurrences__event_id"]
    ordering = ["-last_at"]
    inlines = [NotificationInline]
    actions = ["acknowledge", "take_back", "resolve"]

    def has_handle_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("swa_notifier.change_alert"))

    @admin.action(description="Acknowledge: somebody has it", permissions=["handle"])
    def acknowledge(self, request: HttpRequest, queryset: QuerySet[Alert]) -> None:
        self._answer(request, queryset, Verb.ACKNOWLEDGE)

    @admin.action(description="Resolve: it is over", permissions=["handle"])
    def resolve(self, request: HttpRequest, queryset: QuerySet[Alert]) -> None:
        self._answer(request, queryset, Verb.RESOLVE)

    @admin.action(description="Take back: nobody has it any more", permissions=["handle"])
    def take_back(self, request: HttpRequest, queryset: QuerySet[Alert]) -> None:
        self._answer(request, queryset, Verb.TAKE_BACK)

    def _answer(self, request: HttpRequest, queryset: QuerySet[Alert], verb: Verb) -> None:
        asker, now = Asker(request.user.get_username(), "admin"), clock.now()
        answers = [door.answer(Command(verb, alert.pk), asker, now) for alert in queryset.order_by("pk")]
        for one in answers[:NAMED]:
            self.message_user(request, one.sentence, messages.SUCCESS if one.changed else messages.WARNING)
        if len(answers) > NAMED:
            done = sum(one.changed for one in answers)
            self.message_user(request, f"{done} of {len(answers)} changed", messages.SUCCESS)


class MatchField(forms.JSONField):
    """Shows again what it refuses, also half of a surrogate pair, which no page can hold."""

    def prepare_value(self, value: Any) -> Any:
        shown = super().prepare_value(value)
        return shown.encode(errors="replace").decode() if isinstance(shown, str) else shown


class SilenceForm(forms.ModelForm):  # type: ignore[type-arg]  # as above
    class Meta:
        model = Silence
        fields = ["matcher", "starts_at", "ends_at", "comment"]
        field_classes = {"matcher": MatchField}

    def clean(self) -> dict[str, Any] | None:
        data = super().clean() or self.cleaned_data
        found = silences.mistakes(data.get("matcher"), data.get("starts_at"), data.get("ends_at"), clock.now())
        for name, wrong in found.items():
            if name not in self.errors:
                self.add_error(name, wrong)
        return data


@admin.register(Silence)
class SilenceAdmin(Listed):
    form = SilenceForm
    list_display = ["id", "matcher", "starts_at", "ends_at", "author", "comment"]
    ordering = ["-ends_at"]
    actions = ["end_now"]

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"starts_at": clock.now()}

    def save_model(self, request: HttpRequest, obj: Silence, form: Any, change: bool) -> None:
        now = clock.now()
        if not change:
            obj.author, obj.created_at = request.user.get_username(), now
        if held := silences.write(obj, now):
            self.message_user(request, f"{counted(held, 'held message')} will be judged again.", messages.SUCCESS)

    def has_delete_permission(self, request: HttpRequest, obj: Silence | None = None) -> bool:
        return False  # end it instead: what it held must be told

    @admin.action(description="End now: what it held is judged again", permissions=["change"])
    def end_now(self, request: HttpRequest, queryset: QuerySet[Silence]) -> None:
        now = clock.now()
        held = sum(silences.end(row, now) for row in queryset)
        self.message_user(request, f"Ended; {counted(held, 'held message')} will be judged again.", messages.SUCCESS)


class OverrideForm(forms.ModelForm):  # type: ignore[type-arg]  # as above
    rotation = forms.ChoiceField()
    person = forms.ChoiceField()

    class Meta:
        model = Override
        fields = ["rotation", "person", "starts_at", "ends_at"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        policy = get_policy()
        self.fields["rotation"] = forms.ChoiceField(choices=[(name, name) for name in policy.rotations])
        self.fields["person"] = forms.ChoiceField(choices=[(key, one.name) for key, one in policy.people.items()])

    def clean(self) -> dict[str, Any] | None:
        data = super().clean() or self.cleaned_data
        found = overrides.mistakes(data.get("starts_at"), data.get("ends_at"), clock.now())
        for name, wrong in found.items():
            if name not in self.errors:
                self.add_error(name, wrong)
        return data


@admin.register(Override)
class OverrideAdmin(Listed):
    form = OverrideForm
    list_display = ["id", "rotation", "person", "instead_of", "starts_at", "ends_at", "author", "undone_by"]
    list_filter = ["rotation"]
    ordering = ["-ends_at"]
    actions = ["undo"]

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"starts_at": clock.now()}

    def save_model(self, request: HttpRequest, obj: Override, form: Any, change: bool) -> None:
        policy, now = get_policy(), clock.now()
        row = overrides.take(
            policy.rotations[obj.rotation],
            policy.people[obj.person],
            start=obj.starts_at,
            end=obj.ends_at,
            author=request.user.get_username(),
            now=now,
        )
        obj.pk, obj.starts_at = row.pk, row.starts_at
        self.message_user(request, taken(row, policy, now), messages.SUCCESS)

    def has_change_permission(self, request: HttpRequest, obj: Override | None = None) -> bool:
        return obj is None and super().has_change_permission(request)  # what was said stands; it can be undone

    def has_delete_permission(self, request: HttpRequest, obj: Override | None = None) -> bool:
        return False

    @admin.action(description="Undo: it ends now", permissions=["change"])
    def undo(self, request: HttpRequest, queryset: QuerySet[Override]) -> None:
        for row in queryset:
            try:
                overrides.undo(row, request.user.get_username(), clock.now())
                self.message_user(request, f"override {row.pk} is undone", messages.SUCCESS)
            except ValueError as error:
                self.message_user(request, str(error), messages.WARNING)


@admin.register(Handover)
class HandoverAdmin(ReadOnly, Listed):
    list_display = ["rotation", "at", "person", "why", "layer", "override"]
    list_select_related = ["override"]
    list_filter = ["rotation"]
    ordering = ["-at"]


@admin.register(Ignored)
class IgnoredAdmin(ReadOnly, Listed):
    list_display = ["id", "title", "module", "function", "author", "comment", "created_at", "ended_at", "ended_how"]
    list_filter = [("ended_at", admin.EmptyFieldListFilter)]
    ordering = ["-created_at"]
    actions = ["end_now"]

    def has_end_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("swa_notifier.change_ignored"))

    @admin.action(description="Tell of this kind again", permissions=["end"])
    def end_now(self, request: HttpRequest, queryset: QuerySet[Ignored]) -> None:
        now = clock.now()
        held = sum(ignores.end(row, f"by {request.user.get_username()}", now) for row in queryset)
        self.message_user(request, f"{counted(held, 'held message')} will be judged again.", messages.SUCCESS)


@admin.register(Target)
class TargetAdmin(ReadOnly, Listed):
    list_filter = ["channel", ("dead_since", admin.EmptyFieldListFilter)]

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        """Whole addresses are for whoever may change targets, which is done in the settings."""
        may_see = request.user.has_perm("swa_notifier.change_target")
        return [
            "channel",
            "address" if may_see else "masked_address",
            "dead_since",
            "dead_detail",
            "waits",
            "next_at",
        ]

    def get_fields(self, request: HttpRequest, obj: Target | None = None) -> list[Any]:
        return self.get_list_display(request)

    @admin.display(description="address")
    def masked_address(self, target: Target) -> str:
        return masked(target.address)

    @admin.display(description="waits for")
    def waits(self, target: Target) -> str:
        return target.wait_at(clock.now())


@admin.register(Attempt)
class AttemptAdmin(ReadOnly, Listed):
    long_fields = ("text",)
    list_select_related = ["target"]
    list_display = ["reference", "target", "reason", "result", "code", "started_at", "finished_at"]
    list_filter = ["result", "reason", "target__channel"]
    ordering = ["-started_at"]


@admin.register(Digest)
class DigestAdmin(ReadOnly, Listed):
    list_display = ["name", "target", "starts_at", "ends_at", "sent_at", "outcome"]
    ordering = ["-ends_at"]


@admin.register(Occurrence)
class OccurrenceAdmin(ReadOnly, Listed):
    list_display = ["alert", "seq", "event_type", "event_id", "attempt", "occurred_at", "recovered_at"]
    search_fields = ["event_id", "object_id", "customer"]
    list_select_related = ["alert"]
    ordering = ["-occurred_at"]
    show_full_result_count = False
