"""The message that a channel is asked to deliver."""

from __future__ import annotations

from dataclasses import dataclass

from notifier.facts.enums import Reason, Severity, Verb


@dataclass(frozen=True, slots=True)
class Link:
    text: str
    url: str


@dataclass(frozen=True, slots=True)
class Button:
    """A button, by which a message can be answered. `lasting` is a duration, or "tomorrow"."""

    text: str
    verb: Verb
    alerts: tuple[int, ...]
    lasting: str = ""

    @property
    def value(self) -> str:
        """As it comes back when it is pressed: "118,119:acknowledge:" """
        return f"{','.join(map(str, self.alerts))}:{self.verb}:{self.lasting}"


@dataclass(frozen=True, slots=True)
class Message:
    """What a channel is asked to deliver: plain text in named places; each channel escapes and lays out its own way.

    `texts` never hold markup. `thread` is what the channel returned as `Receipt.thread` for the first message on the
    same alert, so that news can edit it or go below it.
    """

    reason: Reason
    severity: Severity
    title: str  # the headline without its severity: "invoice.paid cannot be processed: database unavailable"
    summary: tuple[str, ...]  # lines: what is at stake, what broke
    action: str = ""  # what to do
    news: str = ""  # what changed since the last message, for a thread or a reminder
    footer: tuple[str, ...] = ()  # why this was sent, what was held
    links: tuple[Link, ...] = ()
    buttons: tuple[Button, ...] = ()
    unsubscribe_url: str = ""  # of a digest by email
    answer_url: str = ""  # a secret address where its recipient can answer; it must not be in any text that is stored
    short: str = ""  # for SMS: everything in one sentence
    subject: str = ""  # for email
    html: str = ""  # for email: the whole page; plain text is made of the fields above
    text: str = ""  # the whole message as plain text
    detail: str = ""  # the redacted traceback
    reference: str = ""  # short and unique; appears in the message so that it can be found again
    deliveries: tuple[str, ...] = ()  # what was sent to others since the last message here; for a thread
    thread: str = ""
    possible_repeat: bool = False
    state: str = ""  # how the alert stands now, in one line: the subject of an email never changes, and does not say it
    forgotten: bool = False  # RESOLVED for lack of failures: nobody said that it is fixed
