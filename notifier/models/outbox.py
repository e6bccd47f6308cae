"""Targets, notifications, digests and attempts. Written only by notifier/outbox.

A worker sends what has a `due_at` in the past; there is no other queue.
"""

from datetime import datetime

from django.db import models
from django.db.models import F, Q

from alerts_runtime.redaction.masking import named
from notifier.facts import FAILING, HeldBy, Result, Severity, Told, WaitsFor
from notifier.models.alerts import Alert
from notifier.models.choices import HELD_BY, REASONS, RESULTS, SEVERITIES, WAITS_FOR


class Target(models.Model):
    """One recipient. Only the worker that holds its lease (`token`) sends to it."""

    key = models.CharField(max_length=300, unique=True)  # "channel:address"
    channel = models.CharField(max_length=100)
    address = models.CharField(max_length=200)
    token = models.CharField(max_length=32, blank=True)
    next_at = models.DateTimeField(null=True)  # nothing is sent before
    waits_for = models.CharField(max_length=8, blank=True, choices=WAITS_FOR)  # until then
    wait_ref = models.CharField(max_length=100, blank=True)  # which rate, or the provider's code
    dead_since = models.DateTimeField(null=True, blank=True)  # set aside: nothing can be delivered to it
    dead_detail = models.CharField(max_length=500, blank=True)
    dead_told = models.BooleanField(default=False)  # its own alert has been raised
    probe_at = models.DateTimeField(null=True)  # when one message tries whether a target that was set aside works again
    probing = False  # not stored: one message may go now to a target that was set aside
    no_digests_since = models.DateTimeField(null=True, blank=True)  # it has unsubscribed from digests

    class Meta:
        indexes = [models.Index(fields=["channel"], name="swa_targets_of_channel")]

    def __str__(self) -> str:
        return named(self.channel, self.address)

    @property
    def is_failing(self) -> bool:
        """Its provider fails or asked to wait: one message at a time is tried."""
        return self.waits_for in FAILING

    def wait_at(self, now: datetime) -> str:
        """What it waits for then; "" when nothing. A rate is over at its time, a provider when something arrives."""
        waits = self.is_failing or (self.next_at is not None and self.next_at > now)
        return WaitsFor(self.waits_for).words(self.wait_ref) if waits and self.waits_for else ""


class Notification(models.Model):
    """What one target has been told of one alert, and when and why it is to be told next."""

    alert = models.ForeignKey(Alert, on_delete=models.CASCADE, related_name="notifications")
    target = models.ForeignKey(Target, on_delete=models.CASCADE, related_name="notifications")
    route = models.CharField(max_length=100)
    due_at = models.DateTimeField(null=True)  # null: nothing is to be told
    reason = models.CharField(max_length=10, choices=REASONS)
    urgency = models.SmallIntegerField(default=0)  # lower goes first
    told_seq = models.PositiveIntegerField(default=0)
    told_severity = models.PositiveSmallIntegerField(null=True)
    told_at = models.DateTimeField(null=True)
    told_resolved = models.BooleanField(default=False)
    told_answer = models.BigIntegerField(default=0, db_default=0)  # the alert's `last_answer` then
    # Of the route's escalation: the latest level that names this target, and the one up to which it has been told.
    level = models.PositiveIntegerField(default=0, db_default=0)
    told_level = models.PositiveIntegerField(default=0, db_default=0)
    window = models.PositiveSmallIntegerField(default=0)
    sent = models.PositiveIntegerField(default=0)  # messages so far
    thread = models.CharField(max_length=300, blank=True)  # the channel's own handle for the first message
    code = models.PositiveSmallIntegerField(
        default=0, db_default=0
    )  # the number by which it is answered by SMS; 0: none
    # The message `thread` lists several alerts. `db_default` is for an older version, which does not know the column.
    listed = models.BooleanField(default=False, db_default=False)
    tries = models.PositiveIntegerField(default=0)  # so far, of the message that is due
    trying_since = models.DateTimeField(null=True)
    sending = models.ForeignKey("Attempt", null=True, on_delete=models.SET_NULL, related_name="+")
    held_by = models.CharField(max_length=12, blank=True, choices=HELD_BY)
    held_ref = models.CharField(max_length=100, blank=True)  # which of them, e.g. the number of a silence
    held_since = models.DateTimeField(null=True)
    instead_of = models.CharField(max_length=300, blank=True)  # the target that this one stands in for, and why
    rejected = models.BooleanField(default=False)  # the message that is due cannot be delivered to this target
    last_error = models.CharField(max_length=500, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["alert", "target"], name="swa_one_notification_per_target")]
        indexes = [
            models.Index(fields=["target", "code"], condition=Q(code__gt=0), name="swa_codes_of_target"),
            models.Index(
                fields=["target", "urgency", "due_at"],
                condition=Q(due_at__isnull=False),
                name="swa_due_notifications",
            ),
            models.Index(fields=["due_at"], condition=Q(due_at__isnull=False), name="swa_oldest_due_notification"),
        ]

    def __str__(self) -> str:
        return f"alert {self.alert_id} to {self.target_id}: {self.reason}"

    @property
    def held_words(self) -> str:
        """What holds it, e.g. "silence 3"; "" when nothing does."""
        return HeldBy(self.held_by).words(self.held_ref) if self.held_by else ""

    @property
    def told(self) -> Told:
        """What the target has been told of the alert."""
        return Told(
            seq=self.told_seq,
            severity=Severity(self.told_severity) if self.told_severity else None,
            at=self.told_at,
            window=self.window,
            resolved=self.told_resolved,
            answer=self.told_answer,
            asked_level=self.level,
            level=self.told_level,
        )


class Hold(models.Model):
    """A time during which a notification was held. It ended with the next hold, the next message, or at `ended_at`."""

    notification = models.ForeignKey(Notification, on_delete=models.CASCADE, related_name="holds")
    by = models.CharField(max_length=12, choices=HELD_BY)  # as `held_by` and `held_ref` say
    ref = models.CharField(max_length=100, blank=True)
    since = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)  # when it was judged again and there was nothing to tell

    def __str__(self) -> str:
        return f"notification {self.notification_id}, by {self.by}"


class Digest(models.Model):
    """The summary of a period for a target. Or, with a `kind`, a note of a rotation, whose period is one moment."""

    name = models.CharField(max_length=100)
    kind = models.CharField(max_length=20, blank=True, db_default="")  # a Note; "" is a digest
    about = models.BigIntegerField(default=0, db_default=0)  # of a note: the id of the handover or override
    target = models.ForeignKey(Target, on_delete=models.CASCADE, related_name="digests")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    due_at = models.DateTimeField(null=True)
    tries = models.PositiveIntegerField(default=0)
    sending = models.ForeignKey("Attempt", null=True, on_delete=models.SET_NULL, related_name="+")
    sent_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["name", "target", "ends_at"], name="swa_one_digest_per_period")]
        indexes = [models.Index(fields=["due_at"], condition=Q(due_at__isnull=False), name="swa_due_digests")]

    def __str__(self) -> str:
        return f"{self.name} of {self.ends_at:%Y-%m-%d}"


class Attempt(models.Model):
    """One attempt to send a message. Its text is stored before the call to the provider, its result after."""

    target = models.ForeignKey(Target, on_delete=models.CASCADE, related_name="attempts")
    token = models.CharField(max_length=32)
    reference = models.CharField(
        max_length=16, db_index=True
    )  # when a message may be sent twice, both attempts have the same
    reason = models.CharField(max_length=10, choices=REASONS)
    text = models.TextField()
    result = models.CharField(max_length=10, choices=RESULTS, default=Result.SENDING.value)
    code = models.CharField(max_length=100, blank=True)
    detail = models.CharField(max_length=500, blank=True)
    provider_id = models.CharField(max_length=200, blank=True)
    parts = models.PositiveSmallIntegerField(default=1)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    digest_of = models.ForeignKey(Digest, null=True, on_delete=models.CASCADE, related_name="attempts")
    # The provider's last report on the message after it had accepted it, and the reason (see outbox/reports.py).
    receipt = models.CharField(max_length=12, blank=True)
    receipt_code = models.CharField(max_length=100, blank=True)
    receipt_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["target", "started_at"], name="swa_attempts_of_target"),
            models.Index(fields=["provider_id"], name="swa_attempts_by_provider_id"),
            models.Index(fields=["receipt"], condition=Q(receipt_at__isnull=False), name="swa_attempts_by_receipt"),
            models.Index(fields=["started_at"], condition=Q(result="sending"), name="swa_attempts_under_way"),
        ]

    def __str__(self) -> str:
        return f"{self.reference} ({self.result})"


class AttemptPart(models.Model):
    """Which occurrences of a notification an attempt tells of. A message about several alerts has several parts."""

    attempt = models.ForeignKey(Attempt, on_delete=models.CASCADE, related_name="parts_told")
    notification = models.ForeignKey(Notification, on_delete=models.CASCADE, related_name="parts_told")
    reason = models.CharField(max_length=10, choices=REASONS)
    from_seq = models.PositiveIntegerField()
    to_seq = models.PositiveIntegerField()
    severity = models.PositiveSmallIntegerField(choices=SEVERITIES)
    answer = models.BigIntegerField(default=0, db_default=0)  # the alert's `last_answer` when it was told
    level = models.PositiveIntegerField(default=0, db_default=0)  # the level of the escalation that was told

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(from_seq__lte=F("to_seq")), name="swa_attempt_part_in_order"),
        ]

    def __str__(self) -> str:
        return f"{self.from_seq}-{self.to_seq} of notification {self.notification_id}"
