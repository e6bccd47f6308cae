from django.db import models


class Event(models.Model):
    event_id = models.CharField(max_length=255)
    type = models.CharField(max_length=255)
    body = models.TextField()
    received_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["event_id"], name="floor_event_once")]

    def __str__(self) -> str:
        return self.event_id
