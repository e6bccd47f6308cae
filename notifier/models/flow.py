"""Escalations, silences and ignored kinds of alert. Written by flow/escalations.py, silences.py and ignores.py."""

from django.db import models
from django.db.models import Q

from notifier.models.alerts import Alert


class Escalation(models.Model):
    """How far the steps of a route have come for one alert, and when the next one is due."""

    alert = models.ForeignKey(Alert, on_delete=models.CASCADE, related_name="escalations")
    route = models.CharField(max_length=100)
    level = models.PositiveIntegerField(default=0)  # the last one that was taken; 0 is the first page
    reached_at = models.DateTimeField()
    due_at = models.DateTimeField(null=True)  # null: no further step
    why = models.CharField(max_length=100)  # why it is due then, or why there is no further step
    # The alert is acknowledged, but not yet by each of those whom a step asks: the steps go on.
    asks_each = models.BooleanField(default=False, db_default=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["alert", "route"], name="one_escalation_per_route")]
        indexes = [models.Index(fields=["due_at"], condition=Q(due_at__isnull=False), name="due_escalations")]

    def __str__(self) -> str:
        return f"alert {self.alert_id} by {self.route}: level {self.level}"


class Silence(models.Model):
    """Messages about matching alerts are held until it ends; none is lost."""

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


class Ignored(models.Model):
    """A kind of alert that nobody is told of until its code changes. The row stays afterwards, with the reason."""

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
