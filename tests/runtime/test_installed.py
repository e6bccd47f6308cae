"""Our apps stand together, and no module of a site's own takes the place of one of them unnoticed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from alerts_runtime import installed

ALL = ["django.contrib.auth", "alerts_runtime", "webhooks", "notifier.apps.NotifierConfig"]


def test_where_each_is_ours_nothing_is_refused() -> None:
    installed.refuse_hidden(ALL)


@pytest.mark.parametrize("name", installed.OURS)
def test_what_lies_elsewhere_is_named_with_what_it_hides(name: str, tmp_path: Path) -> None:
    with pytest.raises(ImproperlyConfigured, match=rf"'{name}', which here is .*/{name}/__init__.py") as refused:
        installed.refuse_hidden([name], home=tmp_path)
    assert str(tmp_path) in str(refused.value)


def test_a_module_that_is_a_file_is_found_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "notifier.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "notifier")
    with pytest.raises(ImproperlyConfigured, match=r"notifier\.py"):
        installed.refuse_hidden(["notifier"])


def test_beside_dj_stripe_a_site_may_have_webhooks_of_its_own(tmp_path: Path) -> None:
    installed.refuse_hidden(["djstripe", "webhooks"], home=tmp_path)
