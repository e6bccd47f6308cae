"""What is known of alerts and of their delivery. `due_at` is the only scheduler; these tables are the only truth.

Each table has one writer: alerts.py writes Alert and Occurrence; targets.py Target; outbox.py with attempts.py and
reports.py Notification, Attempt, AttemptPart and Digest; silences.py Silence; ignores.py Ignored; alerts/log.py
LogEntry; flow/escalations.py Escalation; flow/heard.py Heard; flow/listeners.py Listener; oncall/overrides.py
Override; oncall/handovers.py Handover; feeds/links.py CalendarLink; calendars/imports.py
ImportedCalendar.
"""

from django.db import models
from django.db.models import F, Q, Value

from alerts_runtime.redaction.masking import named
from notifier.facts import Category, Reason, Result, Severity

SEVERITIES = [(int(s), s.label) for s in Severity]
CATEGORIES = [(c.value, c.value) for c in Category]
REASONS = [(r.value, r.value) for r in Reason]
RESULTS = [(r.value, r.value) for r in Result]


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

    after_commit = models.BooleanField(default=False, db_default=False)  # its events are processed; what follows failed

    # The largest single amount of each currency, for matching; sums are made of occurrences when a message is rendered.
    amounts = models.JSONField(default=dict, db_default=Value({}, models.JSONField()))
    # That of the first currency, for alerts of a version that kept only one.
    amount = models.BigIntegerField(null=True)
    currency = models.CharField(max_length=3, blank=True)

    # The latest failure's retry, for "attempt 2 of 12, gives up Wed 14:05".
    attempt = models.PositiveIntegerField(default=1)
    max_attempts = models.PositiveIntegerField(null=True)
    will_retry = models.BooleanField(default=False)
    next_attempt_at = models.DateTimeField(null=True)
    gives_up_at = models.DateTimeField(null=True)

    # The targets for whom something is planned: while it is so, a further occurrence needs no plan of its own.
    planned_for = models.CharField(max_length=40, blank=True)
    count = models.PositiveIntegerField(default=0)  # occurrences so far; the latest one's `seq`
    opened_at = models.DateTimeField()
    last_at = models.DateTimeField()
    burst_at = models.DateTimeField()  # since when without a quiet period

    acknowledged_at = models.DateTimeField(null=True, blank=True)
    acknowledged_until = models.DateTimeField(null=True, blank=True)
    acknowledged_by = models.CharField(max_length=150, blank=True)
    acknowledged_severity = models.PositiveSmallIntegerField(null=True)  # how bad it was then; worse is told
    last_answer = models.BigIntegerField(default=0, db_default=0)  # the entry of its log that all are to see
    inhibited_by = models.ForeignKey("self", null=True, blank=True, on_delete=models.SET_NULL, related_name="inhibits")
    ignored = models.ForeignKey("Ignored", null=True, blank=True, on_delete=models.SET_NULL, related_name="alerts")
    resolve_after = models.DurationField(null=True)  # quiet for so long means over; null: when its events are processed
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
    after_commit = models.BooleanField(default=False, db_default=False)  # the event's own end says nothing of it
    dead = models.BooleanField(default=False)  # nobody will retry this event by itself
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
            # What a customer's mail names is what a person then looks for.
            models.Index(fields=["customer"], condition=~Q(customer=""), name="swa_occurrences_of_customer"),
            models.Index(fields=["object_id"], condition=~Q(object_id=""), name="swa_occurrences_of_object"),
        ]

    def __str__(self) -> str:
        return f"{self.key} ({self.event_type or 'no event'})"


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


class Escalation(models.Model):
    """How far the steps of a route have come for one alert, and when the next one is due."""

    alert = models.ForeignKey(Alert, on_delete=models.CASCADE, related_name="escalations")
    route = models.CharField(max_length=100)
    level = models.PositiveIntegerField(default=0)  # the last that was taken; 0 is the first page
    reached_at = models.DateTimeField()
    due_at = models.DateTimeField(null=True)  # null: nothing more
    why = models.CharField(max_length=100)  # why then, or why nothing more
    # Somebody acknowledged the alert, and not yet each of those whom a step asks: the steps go on.
    asks_each = models.BooleanField(default=False, db_default=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["alert", "route"], name="one_escalation_per_route")]
        indexes = [models.Index(fields=["due_at"], condition=Q(due_at__isnull=False), name="due_escalations")]

    def __str__(self) -> str:
        return f"alert {self.alert_id} by {self.route}: level {self.level}"


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
    # What the provider reported after it took the message: its last word, and why (see receipts.py).
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


class LogEntry(models.Model):
    """What somebody said of an alert, and what became of it. Only ever appended to."""

    alert = models.ForeignKey(Alert, on_delete=models.CASCADE, related_name="log")
    at = models.DateTimeField()
    who = models.CharField(max_length=150)
    through = models.CharField(max_length=20)
    address = models.CharField(max_length=200, blank=True)  # from where
    verb = models.CharField(max_length=20)
    changed = models.BooleanField()  # False: it was so already, or could not be done
    news = models.BooleanField()  # all who were told of the alert are to see it
    outcome = models.CharField(max_length=300)  # what they were answered
    detail = models.CharField(max_length=300, blank=True)
    until = models.DateTimeField(null=True)
    uninvited = models.BooleanField(default=False, db_default=False)  # nobody had told them of the alert
    text = models.TextField(blank=True)  # their own words

    class Meta:
        verbose_name_plural = "log entries"
        indexes = [models.Index(fields=["alert", "at"], name="swa_log_of_alert")]

    def __str__(self) -> str:
        return f"{self.who}: {self.verb} ({'done' if self.changed else 'no change'})"


class ReplayOrder(models.Model):
    """Somebody wants an event processed again, of a source that has no queue of its own: dj-stripe."""

    event_id = models.CharField(max_length=255, unique=True)
    ordered_at = models.DateTimeField()
    tries = models.PositiveSmallIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.event_id}, wanted since {self.ordered_at:%Y-%m-%d %H:%M}"


class Heard(models.Model):
    """A request with somebody's words that was answered: the same one again gets the same answer, and does nothing."""

    key = models.CharField(max_length=100, unique=True)  # the provider's own id of it
    sender = models.CharField(max_length=40)  # a hash of its address, for the limit of answers
    at = models.DateTimeField()
    answer = models.TextField(blank=True)
    understood = models.BooleanField(default=True)
    # What is to be done by a worker: who posted it waits for no more than a receipt.
    asked = models.JSONField(default=dict, db_default=Value({}, models.JSONField()))
    due_at = models.DateTimeField(null=True)
    tries = models.PositiveSmallIntegerField(default=0, db_default=0)

    class Meta:
        verbose_name_plural = "heard"
        indexes = [
            models.Index(fields=["sender", "at"], condition=Q(understood=False), name="swa_not_understood"),
            models.Index(fields=["at"], name="swa_heard_by_time"),
            models.Index(fields=["due_at"], condition=Q(due_at__isnull=False), name="swa_heard_due"),
        ]

    def __str__(self) -> str:
        return self.key


class Listener(models.Model):
    """A process that hears answers in Slack by Socket Mode, and when Slack last answered it."""

    name = models.CharField(primary_key=True, max_length=300)
    beat_at = models.DateTimeField()
    connections = models.PositiveSmallIntegerField()

    def __str__(self) -> str:
        return self.name


class Silence(models.Model):
    """Nobody is told of matching alerts until it ends. It holds; it never drops."""

    matcher = models.JSONField(default=dict, help_text='What is silenced, as in ROUTES: {"event": "invoice.*"}')
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    author = models.CharField(max_length=150)
    comment = models.CharField(max_length=500)
    created_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["ends_at"], name="swa_silences_by_end")]

    def __str__(self) -> str:
        return f"Silence {self.pk} until {self.ends_at:%Y-%m-%d %H:%M}: {self.comment}"


class Override(models.Model):
    """Somebody takes a rotation over for a time, whatever the settings say. Of two the one made later counts."""

    rotation = models.CharField(max_length=50)
    person = models.CharField(max_length=50)  # key of PEOPLE, as in `instead_of`
    instead_of = models.CharField(max_length=50, blank=True)  # who was on call at its start when it was made
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    author = models.CharField(max_length=150)
    created_at = models.DateTimeField()
    undone_at = models.DateTimeField(null=True, blank=True)  # from then on it counts no more
    undone_by = models.CharField(max_length=150, blank=True)
    announced = models.BooleanField(default=False, db_default=False)  # both know of it, or that it is undone

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(starts_at__lt=F("ends_at")), name="swa_override_has_a_time"),
        ]
        indexes = [models.Index(fields=["rotation", "ends_at"], name="swa_overrides_by_end")]

    def __str__(self) -> str:
        return f"Override {self.pk}: {self.person} for {self.rotation}"


class Handover(models.Model):
    """From `at` until the rotation's next one this person was on call, whatever the settings say today."""

    rotation = models.CharField(max_length=50)
    at = models.DateTimeField()
    person = models.CharField(max_length=50, blank=True)  # "" is nobody
    why = models.CharField(max_length=20)
    layer = models.CharField(max_length=100, blank=True)
    override = models.ForeignKey(Override, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    announced = models.BooleanField(default=False, db_default=False)  # who is on call from then on knows
    seen_at = models.DateTimeField()  # until then it was so at least; a worker looks again and again

    class Meta:
        constraints = [models.UniqueConstraint(fields=["rotation", "at"], name="swa_one_handover_at_a_time")]

    def __str__(self) -> str:
        return f"{self.rotation} to {self.person or 'nobody'} at {self.at:%Y-%m-%d %H:%M}"


class Ignored(models.Model):
    """A kind of alert of which nobody is told until its code changes. One that ended stays, and says how."""

    fingerprint = models.CharField(max_length=64)
    title = models.CharField(max_length=300)
    module = models.CharField(max_length=255, blank=True)
    function = models.CharField(max_length=255, blank=True)
    code = models.CharField(max_length=64, blank=True, help_text="A hash of that function's source; empty: unknown.")
    release = models.CharField(max_length=100, blank=True, help_text='NOTIFIER["RELEASE"] at that time.')
    author = models.CharField(max_length=150)
    comment = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_how = models.CharField(max_length=150, blank=True)

    class Meta:
        verbose_name_plural = "ignored"
        constraints = [
            models.UniqueConstraint(
                fields=["fingerprint"], condition=Q(ended_at__isnull=True), name="swa_ignored_once_per_fingerprint"
            )
        ]
        indexes = [models.Index(fields=["ended_at"], name="swa_ignored_by_end")]

    def __str__(self) -> str:
        return f"Ignored {self.pk}: {self.title}"


class CalendarLink(models.Model):
    """Which of a calendar's secret addresses is valid: the one with this number signed into it; without a row, 0."""

    rotation = models.CharField(max_length=50)
    person = models.CharField(max_length=50, blank=True)  # "" is everybody
    number = models.PositiveIntegerField(default=0)
    renewed_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["rotation", "person"], name="swa_one_calendar_link")]

    def __str__(self) -> str:
        return f"{self.rotation}, {self.person or 'all'}: address {self.number}"


class ImportedCalendar(models.Model):
    """The shifts of a rotation that is kept elsewhere, as they were read last without trouble."""

    rotation = models.CharField(max_length=50, unique=True)
    source = models.CharField(max_length=64)  # a hash of the address: what another address said does not count
    shifts = models.JSONField(default=list)  # [start, end, person] each, in UTC
    unknown = models.JSONField(default=list)  # what events say that names nobody of PEOPLE
    read_at = models.DateTimeField(null=True)  # when that was
    tried_at = models.DateTimeField()
    error = models.CharField(max_length=300, blank=True)  # of the last try

    def __str__(self) -> str:
        return f"calendar of {self.rotation}"
