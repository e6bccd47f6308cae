"""What people ask of us: requests that were heard, who hears them, and events to be replayed.

Written by flow/heard.py, flow/listeners.py and intake/djstripe_replay.py.
"""

from django.db import models
from django.db.models import Q, Value


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
    channel = models.CharField(max_length=100, blank=True, db_default="")  # whose message the answer is, by SMS
    parts = models.PositiveSmallIntegerField(default=0, db_default=0)
    # What is to be done by a worker: who posted it waits for no more than a receipt.
    asked = models.JSONField(default=dict, db_default=Value({}, models.JSONField()))
    due_at = models.DateTimeField(null=True)
    tries = models.PositiveSmallIntegerField(default=0, db_default=0)

    class Meta:
        verbose_name_plural = "heard"
        indexes = [
            models.Index(fields=["sender", "at"], name="swa_heard_of_sender"),
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
