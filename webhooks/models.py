"""Stripe's events, their failures, and counts of refused requests. Written by `receive` and `process` alone."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone


class WebhookEvent(models.Model):
    """One event of Stripe's, unique by Stripe's id, however often and at however many endpoints it arrives."""

    class Kind(models.TextChoices):
        SNAPSHOT = "snapshot"
        THIN = "thin"

    class State(models.TextChoices):
        PENDING = "pending"
        PROCESSING = "processing"
        PROCESSED = "processed"
        DEAD = "dead", "given up"
        INCOMPLETE = "incomplete", "processed, but a callback after its commit failed"
        IGNORED = "ignored", "of the mode that its endpoint does not handle"
        DROPPED = "dropped", "never to be run again"

    class How(models.TextChoices):
        FIRST = "first", "at the first attempt"
        RETRY = "retry", "by a retry"
        REPLAY = "replay", "after it was armed again"

    event_id = models.CharField(max_length=255)
    type = models.CharField(max_length=255)
    kind = models.CharField(max_length=8, choices=Kind)
    endpoint = models.CharField(max_length=100)
    account = models.CharField("Connect account", max_length=255, blank=True)
    livemode = models.BooleanField()
    api_version = models.CharField(max_length=64, blank=True)
    created = models.DateTimeField("created at Stripe")
    # What it is about, by which people look for it.
    object_id = models.CharField(max_length=255, blank=True, db_default="")
    customer = models.CharField(max_length=255, blank=True, db_default="")
    body = models.TextField(help_text="The JSON text as it was received.")

    state = models.CharField(max_length=10, choices=State, default=State.PENDING)
    attempts = models.PositiveIntegerField(default=0, help_text="All attempts ever made.")
    earlier_attempts = models.PositiveIntegerField(default=0, help_text="Those made before it was armed again.")
    armed_at = models.DateTimeField(default=timezone.now, help_text="When it was received or armed again.")
    # What decides when it is worked on: when pending, the time of the next attempt; when processing, the time at which
    # that was due; NULL: nothing is planned.
    due_at = models.DateTimeField(null=True)
    token = models.CharField(max_length=32, blank=True, help_text="Who holds the lease.")
    deliveries = models.PositiveIntegerField(default=1, help_text="How often Stripe has delivered it.")
    received_at = models.DateTimeField(default=timezone.now)
    processed_at = models.DateTimeField(null=True)
    how_processed = models.CharField(max_length=6, choices=How, blank=True)
    handlers = models.JSONField(default=list, help_text="Those that processed it: name, outcome, milliseconds.")
    last_error = models.CharField(max_length=255, blank=True)

    class Meta:
        ordering: ClassVar = ["-received_at"]
        constraints: ClassVar = [
            # Not unique=True, which on PostgreSQL adds a second index for LIKE that nobody uses.
            models.UniqueConstraint(fields=["event_id"], name="swa_event_once"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["state", "due_at"], name="swa_due", condition=Q(due_at__isnull=False)),
            models.Index(fields=["received_at"], name="swa_received"),
            models.Index(fields=["type", "received_at"], name="swa_type_received"),
            models.Index(fields=["customer", "received_at"], name="swa_of_customer", condition=~Q(customer="")),
            models.Index(fields=["object_id", "received_at"], name="swa_of_object", condition=~Q(object_id="")),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.event_id}"

    @property
    def attempt(self) -> int:
        """The number of this attempt since the event was received or armed again, from 1."""
        return self.attempts - self.earlier_attempts


class Traceback(models.Model):
    """A redacted stack, stored once however many failures share it."""

    sha256 = models.CharField(max_length=64, primary_key=True)
    text = models.TextField()

    def __str__(self) -> str:
        return self.sha256[:12]


class Failure(models.Model):
    """One attempt at an event that failed."""

    event = models.ForeignKey(WebhookEvent, on_delete=models.CASCADE, related_name="failures")
    attempt = models.PositiveIntegerField()
    max_attempts = models.PositiveIntegerField(null=True)
    occurred_at = models.DateTimeField()
    exception = models.CharField(max_length=255, help_text="The class, as a dotted path.")
    bases = models.JSONField(default=list, help_text="Dotted paths of its base classes, nearest first.")
    # The three that follow are what alerts_runtime.failures found when it was caught; the notifier uses the same.
    kind = models.CharField(max_length=40, blank=True, db_default="")
    transient = models.BooleanField(db_default=False, help_text="Heals by itself.")
    peer = models.CharField(max_length=255, blank=True, db_default="", help_text="The service that it is about.")
    message = models.TextField(blank=True, help_text="Redacted.")
    file = models.CharField(max_length=255, blank=True)
    line = models.PositiveIntegerField(default=0)
    module = models.CharField(max_length=255, blank=True)
    function = models.CharField(max_length=255, blank=True)
    # DO_NOTHING: only tracebacks that no failure refers to are ever deleted, and the database checks that. No index:
    # it would cost each failure 84 bytes on SQLite (measured) and serves that check alone.
    traceback = models.ForeignKey(
        Traceback, null=True, on_delete=models.DO_NOTHING, related_name="failures", db_index=False
    )
    handlers = models.JSONField(default=list, help_text="Each with its outcome and milliseconds; empty: unknown.")
    duration_ms = models.PositiveIntegerField(default=0)
    will_retry = models.BooleanField()
    next_attempt_at = models.DateTimeField(null=True)
    gives_up_at = models.DateTimeField(null=True)
    announced_at = models.DateTimeField(null=True)
    announcements = models.PositiveSmallIntegerField(default=0, help_text="How often receivers were called.")
    announce_at = models.DateTimeField(null=True, help_text="Not to be announced again before.")
    unheard = models.TextField(
        blank=True, default="", db_default="", help_text="The receivers that raised; empty: call all."
    )
    after_commit = models.BooleanField(default=False, db_default=False, help_text="What the event did is committed.")
    callbacks = models.TextField(
        blank=True, default="", db_default="", help_text="Those of on_commit that did not run."
    )

    class Meta:
        ordering: ClassVar = ["-pk"]
        indexes: ClassVar = [
            models.Index(fields=["occurred_at"], name="swa_unannounced", condition=Q(announced_at__isnull=True)),
        ]

    def __str__(self) -> str:
        return f"{self.exception}: {self.message}" if self.message else self.exception


class SecretUse(models.Model):
    """Which of an endpoint's signing secrets signs, while it has several."""

    endpoint = models.CharField(max_length=100)
    secret = models.CharField(max_length=12, help_text="The beginning of its hash.")
    since = models.DateTimeField(help_text="Since when it has been known.")
    last_at = models.DateTimeField(null=True)
    count = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["endpoint", "secret"], name="swa_secret_once"),
        ]

    def __str__(self) -> str:
        return f"{self.endpoint}: {self.secret} x {self.count}"


class Refusal(models.Model):
    """How many requests an endpoint refused for one reason within one minute. Nothing else of them is kept."""

    endpoint = models.CharField(max_length=100)
    reason = models.CharField(max_length=40)
    minute = models.DateTimeField()
    count = models.PositiveIntegerField(default=0)
    last_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["-minute"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["endpoint", "reason", "minute"], name="swa_refusal_once"),
        ]

    def __str__(self) -> str:
        return f"{self.endpoint}: {self.reason} x {self.count}"
