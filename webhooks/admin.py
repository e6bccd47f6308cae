"""Pages of events and refusals in Django's admin: read-only, with one action, to process events again."""

from __future__ import annotations

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html

from alerts_runtime.admin import Listed, ReadOnly
from alerts_runtime.leasing import clock
from alerts_runtime.wakeups import wake
from webhooks.models import Failure, Refusal, WebhookEvent
from webhooks.process import arm


class FailureInline(ReadOnly, admin.TabularInline):  # type: ignore[type-arg] # Django has no generic admin classes at run time
    model = Failure
    fields = (
        "occurred_at",
        "attempt",
        "exception",
        "kind",
        "peer",
        "message",
        "where",
        "next_attempt_at",
        "announced_at",
        "stack",
    )
    readonly_fields = ("where", "stack")
    ordering = ("-pk",)
    extra = 0

    def get_queryset(self, request: HttpRequest) -> QuerySet[Failure]:
        return super().get_queryset(request).select_related("traceback")

    @admin.display(description="where")
    def where(self, failure: Failure) -> str:
        return f"{failure.file}:{failure.line} {failure.function}" if failure.file else "-"

    @admin.display(description="traceback")
    def stack(self, failure: Failure) -> str:
        if failure.traceback is None:
            return "-"
        return format_html("<details><summary>show</summary><pre>{}</pre></details>", failure.traceback.text)


@admin.register(WebhookEvent)
class WebhookEventAdmin(ReadOnly, Listed):
    page_of = ("notifier_pages:event", "event_id")
    long_fields = ("body",)
    list_display = ("event_id", "type", "state", "attempts", "received_at", "due_at", "last_error")
    list_filter = ("state", "livemode", "endpoint", "how_processed", "received_at", "type")
    search_fields = ("event_id__exact",)
    search_help_text = "A whole event id: evt_..."
    date_hierarchy = "received_at"
    show_full_result_count = False  # counts the whole table on every page
    inlines = (FailureInline,)
    actions = ("process_again",)

    def has_process_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("swa_webhooks.change_webhookevent")

    @admin.action(description="Process again", permissions=["process"])
    def process_again(self, request: HttpRequest, queryset: QuerySet[WebhookEvent]) -> None:
        now = clock.now()
        armed = [row for row in queryset if arm.rearm(row, now)]
        for row in armed:
            self.log_change(request, row, "Process again.")
        if armed:
            wake.wake("events")
            self.message_user(request, f"{len(armed)} will be processed again at once.", messages.SUCCESS)
        if left := queryset.count() - len(armed):
            self.message_user(
                request,
                f"{left} left alone: only events that were given up or are incomplete are processed again here. "
                "For processed ones there is `manage.py replay --include-processed`.",
                messages.WARNING,
            )


@admin.register(Refusal)
class RefusalAdmin(ReadOnly, Listed):
    list_display = ("minute", "endpoint", "reason", "count", "last_at")
    list_filter = ("endpoint", "reason", "minute")
