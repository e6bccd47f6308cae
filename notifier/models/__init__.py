"""Alerts and their delivery. Nothing is kept elsewhere, and each table has one module that writes it."""

from notifier.models.alerts import Alert as Alert
from notifier.models.alerts import LogEntry as LogEntry
from notifier.models.alerts import Occurrence as Occurrence
from notifier.models.answers import Heard as Heard
from notifier.models.answers import Listener as Listener
from notifier.models.answers import ReplayOrder as ReplayOrder
from notifier.models.flow import Escalation as Escalation
from notifier.models.flow import Ignored as Ignored
from notifier.models.flow import Silence as Silence
from notifier.models.oncall import CalendarLink as CalendarLink
from notifier.models.oncall import Handover as Handover
from notifier.models.oncall import ImportedCalendar as ImportedCalendar
from notifier.models.oncall import Override as Override
from notifier.models.outbox import Attempt as Attempt
from notifier.models.outbox import AttemptPart as AttemptPart
from notifier.models.outbox import Digest as Digest
from notifier.models.outbox import Hold as Hold
from notifier.models.outbox import Notification as Notification
from notifier.models.outbox import Target as Target
