"""Overrides, handovers and calendars. Written by oncall/overrides.py, handovers.py, feeds/links.py and
calendars/imports.py.
"""

from django.db import models
from django.db.models import F, Q


class Override(models.Model):
    """Somebody takes a rotation over for a time, whatever the settings say. If two overlap, the later one counts."""

    rotation = models.CharField(max_length=50)
    person = models.CharField(max_length=50)  # key of PEOPLE, as in `instead_of`
    instead_of = models.CharField(max_length=50, blank=True)  # who was on call at its start when it was made
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    author = models.CharField(max_length=150)
    created_at = models.DateTimeField()
    undone_at = models.DateTimeField(null=True, blank=True)  # from when on it no longer counts
    undone_by = models.CharField(max_length=150, blank=True)
    announced = models.BooleanField(
        default=False, db_default=False
    )  # both people have been told of it, or that it was undone

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(starts_at__lt=F("ends_at")), name="swa_override_has_a_time"),
        ]
        indexes = [models.Index(fields=["rotation", "ends_at"], name="swa_overrides_by_end")]

    def __str__(self) -> str:
        return f"Override {self.pk}: {self.person} for {self.rotation}"


class Handover(models.Model):
    """This person was on call from `at` until the rotation's next handover, whatever the settings say today."""

    rotation = models.CharField(max_length=50)
    at = models.DateTimeField()
    person = models.CharField(max_length=50, blank=True)  # "" is nobody
    why = models.CharField(max_length=20)
    layer = models.CharField(max_length=100, blank=True)
    override = models.ForeignKey(Override, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    announced = models.BooleanField(default=False, db_default=False)  # the person who comes on call has been told
    seen_at = models.DateTimeField()  # when a worker last saw that it was still so

    class Meta:
        constraints = [models.UniqueConstraint(fields=["rotation", "at"], name="swa_one_handover_at_a_time")]

    def __str__(self) -> str:
        return f"{self.rotation} to {self.person or 'nobody'} at {self.at:%Y-%m-%d %H:%M}"


class CalendarLink(models.Model):
    """The number that is valid in the signed address of a calendar, to revoke earlier ones. Without a row it is 0."""

    rotation = models.CharField(max_length=50)
    person = models.CharField(max_length=50, blank=True)  # "" is everybody
    number = models.PositiveIntegerField(default=0)
    renewed_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["rotation", "person"], name="swa_one_calendar_link")]

    def __str__(self) -> str:
        return f"{self.rotation}, {self.person or 'all'}: address {self.number}"


class ImportedCalendar(models.Model):
    """The shifts of a rotation whose calendar is elsewhere, as they were last read without an error."""

    rotation = models.CharField(max_length=50, unique=True)
    source = models.CharField(max_length=64)  # a hash of the address: shifts of another address do not count
    shifts = models.JSONField(default=list)  # [start, end, person] each, in UTC
    unknown = models.JSONField(default=list)  # texts of events that name nobody of PEOPLE
    read_at = models.DateTimeField(null=True)  # when they were read
    tried_at = models.DateTimeField()
    error = models.CharField(max_length=300, blank=True)  # of the last attempt to read it

    def __str__(self) -> str:
        return f"calendar of {self.rotation}"
