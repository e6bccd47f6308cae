"""What the cheap handler writes: one row for each event, so that what was done can be counted."""

from django.db import models


class Payment(models.Model):
    event_id = models.CharField(max_length=255)
    invoice = models.CharField(max_length=255)
    amount = models.BigIntegerField()

    def __str__(self) -> str:
        return f"{self.invoice}: {self.amount}"
