"""A site's own table: what its handlers did, so that doing it twice can be seen."""

from django.db import models


class Effect(models.Model):
    event_id = models.CharField(max_length=255)
    handler = models.CharField(max_length=50)
    at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.handler} of {self.event_id}"
