"""Keys, tokens and passwords in a text, by the form that their issuer gave them.

The patterns are those of detect-secrets, of its detectors whose form is telling by itself; what it finds by high
entropy or beside words such as `password` is left out, since prose and source code are full of both. A match counts
only where no letter or digit adjoins it: encoded data holds any short form somewhere. Added here are a few forms that
detect-secrets 1.5 does not have, and whole JSON web tokens and private keys, of which it finds the beginning.
"""

from __future__ import annotations

import base64
import binascii
import functools
import importlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from vernier.core.errors import SetupError

# Detectors of detect-secrets by module and class, and whether the first group of a pattern is the secret.
DETECTORS = {
    "aws.AWSKeyDetector": True,
    "azure_storage_key.AzureStorageKeyDetector": False,
    "basic_auth.BasicAuthDetector": True,
    "discord.DiscordBotTokenDetector": False,
    "github_token.GitHubTokenDetector": False,
    "gitlab_token.GitLabTokenDetector": False,
    "mailchimp.MailchimpDetector": False,
    "openai.OpenAIDetector": False,
    "pypi_token.PypiTokenDetector": False,
    "sendgrid.SendGridDetector": False,
    "slack.SlackDetector": False,
    "square_oauth.SquareOAuthDetector": False,
    "stripe.StripeDetector": False,
    "telegram_token.TelegramBotTokenDetector": False,
    "twilio.TwilioKeyDetector": False,
}
OWN = (
    re.compile(r"github_pat_[0-9A-Za-z_]{82}"),
    re.compile(r"npm_[0-9A-Za-z]{36}"),
    re.compile(r"hf_[A-Za-z]{34}"),
    re.compile(r"AIza[0-9A-Za-z_-]{35}"),
    re.compile(r"sk-(?:ant|proj|svcacct)-[0-9A-Za-z_-]{32,}"),
)
WEB_TOKEN = re.compile(r"eyJ[0-9A-Za-z_-]+\.[0-9A-Za-z_-]+\.[0-9A-Za-z_-]*")
PRIVATE_KEY = re.compile(
    r"-----BEGIN ([A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?)-----[0-9A-Za-z+/=\s:,.()-]{32,}?-----END \1-----"
)
# Passwords of examples: `http://user:password@host` says nothing of anybody.
PLACEHOLDER = re.compile(r"(?:pass(?:word|wd|wort)?|pwd?|secret|token|key|x+|\*+|\.+|\W.*|[A-Z_]+)\d?", re.IGNORECASE)


@dataclass(frozen=True)
class _Form:
    pattern: re.Pattern[str]
    group: int
    is_password: bool = False


def find(text: str) -> Iterator[tuple[int, int]]:
    """Where keys stand: first character, and the one behind the last. They may overlap. Raises SetupError without
    detect-secrets."""
    if "PRIVATE KEY" in text:
        yield from (match.span() for match in PRIVATE_KEY.finditer(text))
    if "eyJ" in text:
        yield from (match.span() for match in WEB_TOKEN.finditer(text) if _is_header(match[0].partition(".")[0]))
    for form in _forms():
        for match in form.pattern.finditer(text):
            start, end = match.span(form.group)
            if form.is_password:
                if not PLACEHOLDER.fullmatch(text, start, end):
                    yield start, end
            elif not (_adjoins(text[start - 1 : start]) or _adjoins(text[end : end + 1])):
                yield start, end


def _adjoins(character: str) -> bool:
    return character.isalnum() or character == "_"


def _is_header(part: str) -> bool:
    """Whether the first part of a web token is what it has to be: a JSON object (RFC 7519)."""
    try:
        return isinstance(json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))), dict)
    except (binascii.Error, ValueError):
        return False


@functools.cache
def _forms() -> tuple[_Form, ...]:
    forms: list[_Form] = []
    for name, first in DETECTORS.items():
        module, _, detector = name.partition(".")
        try:
            plugins = importlib.import_module(f"detect_secrets.plugins.{module}")
        except ImportError as error:
            raise SetupError(
                "masking keys needs the package detect-secrets", found=str(error), do="pip install 'vernier[web]'"
            ) from error
        for pattern in getattr(plugins, detector)().denylist:
            group = 1 if first and pattern.groups else 0
            forms.append(_Form(pattern, group, module == "basic_auth"))
    return (*forms, *(_Form(pattern, 0) for pattern in OWN))
