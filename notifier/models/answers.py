"""Requests of people: answers to alerts that came in, the processes that hear them, and events to be replayed.

Written by flow/heard.py, flow/listeners.py and intake/djstripe_replay.py.
"""

from django.db import models
from django.db.models import Q, Value


class ReplayOrder(models.Model):
    """An event that somebody wants to be processed again, of a source without a queue of its own: dj-stripe."""

    event_id = models.CharField(max_length=255, unique=True)
    ordered_at = models.DateTimeField()
    tries = models.PositiveSmallIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.event_id}, wanted since {self.ordered_at:%Y-%m-%d %H:%M}"


class Heard(models.Model):
    """An answer to an alert that came in (a button, an SMS). If it comes again, it gets the same reply."""

    key = models.CharField(max_length=100, unique=True)  # the provider's own id of the request
    sender = models.CharField(max_length=40)  # a hash of its address, for the limit of answers
    at = models.DateTimeField()
    answer = models.TextField(blank=True)
    understood = models.BooleanField(default=True)
    channel = models.CharField(
        max_length=100, blank=True, db_default=""
    )  # the channel whose budget pays the reply, if that is an SMS
    parts = models.PositiveSmallIntegerField(default=0, db_default=0)
    # For requests that a worker carries out later, as the provider must be answered quickly.
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
