"""Who is to be told what and when, and what became of each try. Written by outbox/ alone.

`due_at` is the only scheduler.
"""

from django.db import models
from django.db.models import F, Q

from alerts_runtime.redaction.masking import named
from notifier.facts import Result, Severity, Told
from notifier.models.alerts import Alert
from notifier.models.choices import REASONS, RESULTS, SEVERITIES


class Target(models.Model):
    """One recipient. Whoever holds its lease is the only one that sends to it."""

    key = models.CharField(max_length=300, unique=True)  # "channel:address"
    channel = models.CharField(max_length=100)
    address = models.CharField(max_length=200)
    token = models.CharField(max_length=32, blank=True)
    next_at = models.DateTimeField(null=True)  # not before: throttled, or the provider said Retry-After
    held_by = models.CharField(max_length=100, blank=True)
    dead_since = models.DateTimeField(null=True, blank=True)  # set aside: nothing can be delivered to it
    dead_detail = models.CharField(max_length=500, blank=True)
    dead_told = models.BooleanField(default=False)  # its own alert has been raised
    probe_at = models.DateTimeField(null=True)  # set aside: when one message tries whether it can be reached again
    probing = False  # one may go now; of this instance alone
    no_digests_since = models.DateTimeField(null=True, blank=True)  # unsubscribed from them

    class Meta:
        indexes = [models.Index(fields=["channel"], name="swa_targets_of_channel")]

    def __str__(self) -> str:
        return named(self.channel, self.address)


class Notification(models.Model):
    """What one target has been told of one alert, and when it is next to be told, and why."""

    alert = models.ForeignKey(Alert, on_delete=models.CASCADE, related_name="notifications")
    target = models.ForeignKey(Target, on_delete=models.CASCADE, related_name="notifications")
    route = models.CharField(max_length=100)
    due_at = models.DateTimeField(null=True)  # null: nothing is planned
    reason = models.CharField(max_length=10, choices=REASONS)
    urgency = models.SmallIntegerField(default=0)  # lower goes first when not all may go
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
    code = models.PositiveSmallIntegerField(default=0, db_default=0)  # by which its target answers by SMS; 0: none
    # That message lists several alerts. The database knows the default, for a version that does not know the column.
    listed = models.BooleanField(default=False, db_default=False)
    tries = models.PositiveIntegerField(default=0)  # of the message that is due
    trying_since = models.DateTimeField(null=True)
    sending = models.ForeignKey("Attempt", null=True, on_delete=models.SET_NULL, related_name="+")
    held_by = models.CharField(max_length=100, blank=True)  # the guard that holds it, e.g. "silence 3"
    held_since = models.DateTimeField(null=True)
    instead_of = models.CharField(max_length=300, blank=True)  # the target that this one stands in for, and why
    rejected = models.BooleanField(default=False)  # what is due cannot be delivered here: another way must be found
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
    def told(self) -> Told:
        """What its target has been told."""
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
    """A guard held what a target was to hear. It ended with the next hold, with the next message, or as it says."""

    notification = models.ForeignKey(Notification, on_delete=models.CASCADE, related_name="holds")
    by = models.CharField(max_length=100)  # as `held_by` says
    since = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)  # judged again, there was nothing to tell

    def __str__(self) -> str:
        return f"notification {self.notification_id}, by {self.by}"


class Digest(models.Model):
    """One period's summary for one target: one row, whatever runs. A note of the rotation is one of a moment."""

    name = models.CharField(max_length=100)
    kind = models.CharField(max_length=20, blank=True, db_default="")  # a Note; "" is a digest
    about = models.BigIntegerField(default=0, db_default=0)  # of a note: the handover or override
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
    """One try to send one message. Its text is stored before the call, its result after."""

    target = models.ForeignKey(Target, on_delete=models.CASCADE, related_name="attempts")
    token = models.CharField(max_length=32)
    reference = models.CharField(max_length=16, db_index=True)  # a possible repeat carries the first one's
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
    # What the provider reported after it took the message: its last word, and why (see outbox/reports.py).
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
    """Which occurrences of which notification an attempt tells: more than one when pages are folded into one."""

    attempt = models.ForeignKey(Attempt, on_delete=models.CASCADE, related_name="parts_told")
    notification = models.ForeignKey(Notification, on_delete=models.CASCADE, related_name="parts_told")
    reason = models.CharField(max_length=10, choices=REASONS)
    from_seq = models.PositiveIntegerField()
    to_seq = models.PositiveIntegerField()
    severity = models.PositiveSmallIntegerField(choices=SEVERITIES)
    answer = models.BigIntegerField(default=0, db_default=0)  # the alert's `last_answer` when it was told
    level = models.PositiveIntegerField(default=0, db_default=0)  # of the escalation, that was told

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(from_seq__lte=F("to_seq")), name="swa_attempt_part_in_order"),
        ]

    def __str__(self) -> str:
        return f"{self.from_seq}-{self.to_seq} of notification {self.notification_id}"
