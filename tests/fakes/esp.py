"""Email providers' APIs: Postmark, Mailgun, Resend, Brevo and Amazon SES on one port.

https://postmarkapp.com/developer/api/email-api, https://documentation.mailgun.com/docs/mailgun/api-reference/send,
https://resend.com/docs/api-reference/emails/send-email, https://developers.brevo.com/reference/sendtransacemail,
https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html
"""

from __future__ import annotations

import base64
import email
import email.policy
import json
import secrets
from typing import Any

from tests.fakes import Fake, Reply, Request, run


class FakeEsp(Fake):
    """Those that differ most in how they say no. Addresses at bounced.example are refused by Postmark."""

    name = "esp"

    @property
    def postmark_url(self) -> str:
        return f"{self.url}/"

    @property
    def mailgun_url(self) -> str:
        return f"{self.url}/v3"

    @property
    def resend_url(self) -> str:
        return f"{self.url}/"

    def respond(self, request: Request) -> Reply:
        if request.path == "/email":
            return self._postmark(request)
        if request.path == "/emails":
            return self._resend(request)
        if request.path == "/v3/smtp/email":
            return self._brevo(request)
        if request.path == "/v2/email/outbound-emails":
            return self._amazon_ses(request)
        if request.path.startswith("/v3/") and request.path.endswith("/messages"):
            return self._mailgun(request)
        return Reply.of({"message": "Not Found"}, 404)

    def _postmark(self, request: Request) -> Reply:
        if not request.headers.get("x-postmark-server-token"):
            return Reply.of({"ErrorCode": 10, "Message": "No Account or Server API tokens were supplied."}, 401)
        mail = request.fields
        to = str(mail.get("To", ""))
        if to.endswith("@bounced.example"):
            said = "You tried to send to a recipient that has been marked as inactive.\n"
            said += f"Found inactive addresses: {to}.\nInactive recipients are ones that have generated a hard bounce."
            return Reply.of({"ErrorCode": 406, "Message": said}, 422)
        headers = {item["Name"]: item["Value"] for item in mail.get("Headers", [])}
        self._keep(
            "postmark", to, mail.get("From"), mail.get("Subject"), mail.get("TextBody"), mail.get("HtmlBody"), headers
        )
        sent = {"To": to, "SubmittedAt": "2030-01-01T00:00:00Z", "MessageID": secrets.token_hex(16)}
        return Reply.of({**sent, "ErrorCode": 0, "Message": "OK"})

    def _mailgun(self, request: Request) -> Reply:
        if not request.headers.get("authorization", "").startswith("Basic "):
            return Reply(401, "Forbidden", {"Content-Type": "text/plain"})
        mail = request.fields
        headers = {name.removeprefix("h:"): value for name, value in mail.items() if name.startswith("h:")}
        self._keep(
            "mailgun",
            mail.get("to"),
            mail.get("from"),
            mail.get("subject"),
            mail.get("text"),
            mail.get("html"),
            headers,
        )
        return Reply.of({"id": f"<{secrets.token_hex(8)}@mailgun.example>", "message": "Queued. Thank you."})

    def _resend(self, request: Request) -> Reply:
        if not request.headers.get("authorization", "").startswith("Bearer "):
            return Reply.of({"statusCode": 401, "name": "missing_api_key", "message": "Missing API Key"}, 401)
        mail = request.fields
        to = mail.get("to") or [""]
        self._keep(
            "resend",
            to[0],
            mail.get("from"),
            mail.get("subject"),
            mail.get("text"),
            mail.get("html"),
            mail.get("headers"),
        )
        return Reply.of({"id": secrets.token_hex(16)})

    def _brevo(self, request: Request) -> Reply:
        if not request.headers.get("api-key"):
            return Reply.of({"code": "unauthorized", "message": "Key not found"}, 401)
        mail = request.fields
        self._keep(
            "brevo",
            mail["to"][0]["email"],
            mail["sender"]["email"],
            mail.get("subject"),
            mail.get("textContent"),
            mail.get("htmlContent"),
            mail.get("headers"),
        )
        return Reply.of({"messageId": f"<{secrets.token_hex(8)}@smtp-relay.example>"}, 201)

    def _amazon_ses(self, request: Request) -> Reply:
        if not request.headers.get("authorization", "").startswith("AWS4-HMAC-SHA256 Credential="):
            said = "Missing Authentication Token"
            return Reply(403, json.dumps({"message": said}), {"x-amzn-ErrorType": "MissingAuthenticationToken"})
        raw = base64.b64decode(request.fields["Content"]["Raw"]["Data"])
        mail = email.message_from_bytes(raw, policy=email.policy.default)
        text, html = mail.get_body(("plain",)), mail.get_body(("html",))
        self._keep(
            "amazon_ses",
            request.fields["Destination"]["ToAddresses"][0],
            mail["From"],
            mail["Subject"],
            text.get_content().rstrip() if text else "",
            html.get_content().rstrip() if html else "",
            dict(mail.items()),
        )
        return Reply.of({"MessageId": f"0107{secrets.token_hex(8)}-{secrets.token_hex(4)}-000000"})

    def _keep(self, provider: str, to: Any, sender: Any, subject: Any, text: Any, html: Any, headers: Any) -> None:
        mail = {"provider": provider, "to": to, "from": sender, "subject": subject, "text": text, "html": html}
        self.messages.append({**mail, "headers": headers or {}})


if __name__ == "__main__":
    run(FakeEsp)
