"""News is told by its latest moment: 150 stories here, `python -m tests.notifier.promises` for thousands."""

from __future__ import annotations

import logging

import pytest

from tests.notifier import promises


@pytest.mark.django_db
def test_whatever_happens_news_is_told_by_its_latest_moment() -> None:
    logging.disable(logging.CRITICAL)  # pytest keeps every line
    try:
        promises.check(150)
    finally:
        logging.disable(logging.NOTSET)
