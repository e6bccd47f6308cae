"""No word of a page's own stands past gettext, so that translations can come."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import notifier

PAGES = Path(notifier.__file__).parent / "templates" / "notifier" / "pages"
NO_WORDS = re.compile(
    r"{% blocktranslate.*?{% endblocktranslate %}|{%.*?%}|{{.*?}}|<(code|kbd)>.*?</\1>|<[^>]*>", re.DOTALL
)
UNITS = {"ms"}


@pytest.mark.parametrize("file", sorted(PAGES.glob("*.html")), ids=lambda file: file.name)
def test_every_word_goes_through_gettext(file: Path) -> None:
    assert set(re.findall(r"[A-Za-z]{2,}", NO_WORDS.sub(" ", file.read_text()))) <= UNITS
