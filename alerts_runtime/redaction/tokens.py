"""Tokens that can be told by their form, such as sk_live_... and whsec_... Pure.

Most are detect-secrets' published patterns (https://github.com/Yelp/detect-secrets). Those are of whole tokens, since a
scanner of code must not cry wolf; what is redacted may be cut or misquoted, so a known prefix is enough here.
"""

from __future__ import annotations

import re

from detect_secrets.plugins.azure_storage_key import AzureStorageKeyDetector
from detect_secrets.plugins.discord import DiscordBotTokenDetector
from detect_secrets.plugins.gitlab_token import GitLabTokenDetector
from detect_secrets.plugins.mailchimp import MailchimpDetector
from detect_secrets.plugins.openai import OpenAIDetector
from detect_secrets.plugins.square_oauth import SquareOAuthDetector
from detect_secrets.plugins.telegram_token import TelegramBotTokenDetector

_PUBLISHED = (
    AzureStorageKeyDetector,
    DiscordBotTokenDetector,
    GitLabTokenDetector,
    MailchimpDetector,
    OpenAIDetector,
    SquareOAuthDetector,
    TelegramBotTokenDetector,
)
# Told by their prefix wherever they stand: https://docs.stripe.com/keys, https://docs.slack.dev/authentication/tokens
_ANYWHERE = re.compile(
    r"[srpeu]k(?:cs)?_(?:org_)?(?:live|test)_[\w*]{4,}+|whsec_[\w*+/=]{4,}+|(?:xox[a-z](?:\.xox[a-z])?|xapp)-[\w-]{4,}+"
)
_PREFIXED = (
    r"(?:gh[oprsu]|github_pat)_[A-Za-z0-9_]{10,}+",  # https://github.blog/2021-04-05-behind-githubs-new-authentication-token-formats/
    r"gl(?:pat|dt|ft|soat|rt|cbt|imt|ptt|agent|oas)-[\w-]{10,}+",  # https://docs.gitlab.com/security/tokens/
    r"SG\.[\w-]{10,}+(?:\.[\w-]++)?",  # SendGrid
    r"AIza[\w-]{20,}+",  # https://cloud.google.com/docs/authentication/api-keys
    r"(?:GOCSPX-|ya29\.)[\w-]{10,}+",
    r"npm_[A-Za-z0-9]{16,}+",
    r"pypi-(?=[\w-]{0,200}[0-9])[\w-]{16,}+",
    r"x(?:keysib|smtpsib)-[\w-]{10,}+",  # Brevo
    r"key-(?:[0-9a-f]{24,}+|[0-9a-z]{32}\b)",  # Mailgun
    r"SK[0-9a-fA-F]{32}\b",  # Twilio's API keys: https://www.twilio.com/docs/iam/api-keys
    r"(?:AKIA|ASIA)[A-Z0-9]{16}\b",  # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html
    r"sk-(?=[\w-]{0,200}[0-9])[\w-]{20,}+",
    r"re_[A-Za-z0-9]{8,}_[A-Za-z0-9]{16,}+",  # Resend
    # Each told by its prefix alone: gitleaks has them all, in no library (https://github.com/gitleaks/gitleaks/tree/master/config)
    r"(?:do[opr]_v1_|shp(?:at|ca|pa|ss)_|sntry[su]_|rubygems_|dckr_[po]at_|ATATT3|lin_api_|ntn_|PMAK-|NRAK-|glsa_|glc_|hf_"
    r"|dapi|dp\.(?:st|pt|ct|sa|scim)\.|AGE-SECRET-KEY-1|pscale_(?:tkn|pw|oauth)_|sbp_|sb_secret_|secret_|A21AA|EAAA|md-|gAAAAA"
    r"|pdus\+_|pubkey-|ac_|AQE)(?=[\w.+/=-]{0,200}[0-9]|[A-Za-z]{30})[\w.+/=-]{22,}+",
    r"hv[sbr]\.[\w-]{16,}+",  # Vault
    r"bot[0-9]{8,10}:[\w-]{30,}+",  # Telegram
    r"access_token\$production\$\w++\$[0-9a-f]{32}",  # Braintree
    # hashes of passwords: https://docs.djangoproject.com/en/stable/topics/auth/passwords/
    r"(?:pbkdf2_sha\w+|argon2|bcrypt\w*|scrypt)\$[\w$./+=,]{20,}+|\$2[abxy]\$[0-9]{2}\$[\w./]{20,}+",
    r"eyJ[\w=-]{5,}+\.[\w=-]{5,}+(?:\.[\w.+/=-]*+)?",  # a JWT: https://datatracker.ietf.org/doc/html/rfc7519
)
# Only where a token can begin: to try each form at every character took five times as long (measured).
_TOKEN = re.compile(
    r"(?<![A-Za-z0-9])(?=\S{9})(?:"
    + "|".join((*_PREFIXED, *(form.pattern for detector in _PUBLISHED for form in detector.denylist)))
    + ")"
)
# The part after `_secret_` lets a browser act on the object that the part before names:
# https://docs.stripe.com/api/payment_intents/object#payment_intent_object-client_secret
_CLIENT_SECRET = re.compile(r"\b((?:[a-z]{2,8}_){1,3}[A-Za-z0-9]{1,64}_)secret_[\w%]++")
_PEM = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----(?:[\w+/=\s\\:,]|-(?!----))*+"
    r"(?:-----END [A-Z0-9 ]{0,60}-----)?"
)


def hide_tokens(text: str, mark: str) -> str:
    """The text with each token replaced by the mark; of a client secret the object's id stays."""
    if "PRIVATE KEY" in text:
        text = _PEM.sub(mark, text)
    if "_secret_" in text:
        text = _CLIENT_SECRET.sub(rf"\1{mark}", text)
    return _TOKEN.sub(mark, _ANYWHERE.sub(mark, text))
