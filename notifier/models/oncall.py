"""Who is on call. Written by oncall/overrides.py and handovers.py, feeds/links.py and calendars/imports.py."""

from django.db import models
from django.db.models import F, Q


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
