"""Alerts, their occurrences and their log. Written only by notifier/alerts."""

from django.db import models
from django.db.models import Q, Value

from notifier.facts import AlertState, Category, Money, Severity, Subject
from notifier.models.choices import CATEGORIES, SEVERITIES


class Alert(models.Model):
    """One open problem, however often it happens. At most one is unresolved per fingerprint."""

    fingerprint = models.CharField(max_length=64)
    source = models.CharField(max_length=100, default="webhook")
    severity = models.PositiveSmallIntegerField(choices=SEVERITIES)
    category = models.CharField(max_length=20, choices=CATEGORIES)
    transient = models.BooleanField(default=False)
    title = models.CharField(max_length=200)
    hint = models.TextField(blank=True)
    rule = models.CharField(max_length=100, blank=True)

    event_type = models.CharField(max_length=255, blank=True)
    endpoint = models.CharField(max_length=100, blank=True)
    account = models.CharField(max_length=255, blank=True)
    livemode = models.BooleanField(default=False)
    exceptions = models.JSONField(default=list)
    message = models.TextField(blank=True)
    frame = models.JSONField(default=dict)
    traceback = models.TextField(blank=True)
    context = models.JSONField(default=dict)

    after_commit = models.BooleanField(
        default=False, db_default=False
    )  # its events are processed; an on_commit callback failed

    # The largest single amount of each currency, for matching; sums are made of occurrences when a message is rendered.
    amounts = models.JSONField(default=dict, db_default=Value({}, models.JSONField()))
    # The amount of the first currency, for alerts of an older version, which kept only that.
    amount = models.BigIntegerField(null=True)
    currency = models.CharField(max_length=3, blank=True)

    # The latest failure's retry, for "attempt 2 of 12, gives up Wed 14:05".
    attempt = models.PositiveIntegerField(default=1)
    max_attempts = models.PositiveIntegerField(null=True)
    will_retry = models.BooleanField(default=False)
    next_attempt_at = models.DateTimeField(null=True)
    gives_up_at = models.DateTimeField(null=True)

    # A hash of the targets that all have a plan: while a failure is for the same ones, it needs no planning.
    planned_for = models.CharField(max_length=40, blank=True)
    count = models.PositiveIntegerField(default=0)  # occurrences so far; the latest one's `seq`
    opened_at = models.DateTimeField()
    last_at = models.DateTimeField()
    storm_since = models.DateTimeField()  # since when failures have come without a quiet period between them

    acknowledged_at = models.DateTimeField(null=True, blank=True)
    acknowledged_until = models.DateTimeField(null=True, blank=True)
    acknowledged_by = models.CharField(max_length=150, blank=True)
    acknowledged_severity = models.PositiveSmallIntegerField(
        null=True
    )  # `severity` then; if it gets worse, that is told
    last_answer = models.BigIntegerField(default=0, db_default=0)  # the last entry of its log that all are to see
    inhibited_by = models.ForeignKey("self", null=True, blank=True, on_delete=models.SET_NULL, related_name="inhibits")
    ignored = models.ForeignKey("Ignored", null=True, blank=True, on_delete=models.SET_NULL, related_name="alerts")
    resolve_after = models.DurationField(
        null=True
    )  # over when quiet for so long; null: over when its events are processed
    resolved_at = models.DateTimeField(null=True, blank=True)
    resolved_how = models.CharField(max_length=50, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["fingerprint"],
                condition=Q(resolved_at__isnull=True),
                name="swa_one_open_alert_per_fingerprint",
            )
        ]
        indexes = [
            # With `resolved_at`, or SQLite would go by the index above, and read each that is open.
            models.Index(
                fields=["resolved_at", "last_at"], condition=Q(resolved_at__isnull=True), name="swa_open_alerts_by_time"
            ),
            models.Index(
                fields=["resolved_at", "last_at"],
                condition=Q(resolved_at__isnull=True, resolve_after__isnull=False),
                name="swa_alerts_that_end_quiet",
            ),
            models.Index(
                fields=["account", "livemode", "category"],
                condition=Q(resolved_at__isnull=True),
                name="swa_open_alerts_by_kind",
            ),
            models.Index(fields=["resolved_at"], name="swa_resolved_alerts"),
            models.Index(fields=["fingerprint", "resolved_at"], name="swa_alerts_of_fingerprint"),
        ]

    def __str__(self) -> str:
        return f"Alert {self.pk}: {Severity(self.severity).label}, {self.headline}"

    @property
    def headline(self) -> str:
        wrong = "is processed, but what follows its commit failed" if self.after_commit else "cannot be processed"
        return f"{self.event_type} {wrong}: {self.title}" if self.event_type else self.title

    @property
    def subject(self) -> Subject:
        """The alert as matchers see it."""
        return Subject(
            severity=Severity(self.severity),
            category=Category(self.category),
            source=self.source,
            event_type=self.event_type,
            exceptions=tuple(self.exceptions),
            livemode=self.livemode,
            endpoint=self.endpoint,
            account=self.account,
            money=Money(self.amount, self.currency) if self.amount is not None else None,
            amounts=({} if self.amount is None else {self.currency: self.amount}) | self.amounts,
            attempt=self.attempt,
            context=self.context,
            fingerprint=self.fingerprint,
        )

    @property
    def state(self) -> AlertState:
        """The alert as the stages that do not read the database see it."""
        return AlertState(
            subject=self.subject,
            count=self.count,
            opened_at=self.opened_at,
            storm_since=self.storm_since,
            resolved_at=self.resolved_at,
            acknowledged_at=self.acknowledged_at,
            acknowledged_until=self.acknowledged_until,
            acknowledged_severity=Severity(self.acknowledged_severity) if self.acknowledged_severity else None,
            last_answer=self.last_answer,
            inhibited_by=self.inhibited_by_id,
            ignored=self.ignored_id,
        )


# The columns that `subject` needs.
SUBJECT_COLUMNS = (
    *("severity", "category", "source", "event_type", "exceptions", "livemode", "endpoint", "account"),
    *("amount", "currency", "amounts", "attempt", "context", "fingerprint"),
)


class Occurrence(models.Model):
    """One failure, counted once. `seq` is its number within the alert and the watermark of "since last"."""

    alert = models.ForeignKey(Alert, on_delete=models.CASCADE, related_name="occurrences")
    seq = models.PositiveIntegerField()
    key = models.CharField(max_length=100, unique=True)
    event_id = models.CharField(max_length=255, blank=True)
    event_type = models.CharField(max_length=255, blank=True)
    object_id = models.CharField(max_length=255, blank=True)
    customer = models.CharField(max_length=255, blank=True)
    amount = models.BigIntegerField(null=True)
    currency = models.CharField(max_length=3, blank=True)
    attempt = models.PositiveIntegerField(default=1)
    after_commit = models.BooleanField(
        default=False, db_default=False
    )  # a callback failed after the event was processed
    dead = models.BooleanField(default=False)  # this event is not retried any more by itself
    occurred_at = models.DateTimeField()
    recovered_at = models.DateTimeField(null=True)
    recovered_how = models.CharField(max_length=20, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["alert", "seq"], name="swa_occurrence_number")]
        indexes = [
            models.Index(fields=["event_id"], condition=Q(recovered_at__isnull=True), name="swa_unrecovered_events"),
            models.Index(fields=["alert"], condition=Q(recovered_at__isnull=True), name="swa_unrecovered_of_alert"),
            models.Index(
                fields=["id"],
                condition=Q(recovered_at__isnull=True) & ~Q(event_id=""),
                name="swa_waiting_for_recovery",
            ),
            models.Index(fields=["occurred_at"], name="swa_occurrences_by_time"),
            # For the search: a customer's mail names one of these.
            models.Index(fields=["customer"], condition=~Q(customer=""), name="swa_occurrences_of_customer"),
            models.Index(fields=["object_id"], condition=~Q(object_id=""), name="swa_occurrences_of_object"),
        ]

    def __str__(self) -> str:
        return f"{self.key} ({self.event_type or 'no event'})"


class LogEntry(models.Model):
    """Something that a person did with an alert, or a step of its escalation. Rows are only appended."""

    alert = models.ForeignKey(Alert, on_delete=models.CASCADE, related_name="log")
    at = models.DateTimeField()
    who = models.CharField(max_length=150)
    through = models.CharField(max_length=20)
    address = models.CharField(max_length=200, blank=True)  # from where they said it
    verb = models.CharField(max_length=20)
    changed = models.BooleanField()  # False: it changed nothing, or could not be done
    news = models.BooleanField()  # all who were told of the alert are to see it
    outcome = models.CharField(max_length=300)  # what the person was answered
    detail = models.CharField(max_length=300, blank=True)
    until = models.DateTimeField(null=True)
    uninvited = models.BooleanField(default=False, db_default=False)  # others were paged, and not this person
    text = models.TextField(blank=True)  # the person's own words

    class Meta:
        verbose_name_plural = "log entries"
        indexes = [models.Index(fields=["alert", "at"], name="swa_log_of_alert")]

    def __str__(self) -> str:
        return f"{self.who}: {self.verb} ({'done' if self.changed else 'no change'})"
