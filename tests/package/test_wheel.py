"""What is in the wheel, and what it says that it needs."""

from __future__ import annotations

import re
import tomllib
import zipfile
from email.parser import Parser
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.package.conftest import ROOT, Installed

FOR_THIS_SITE = {"django-environ", "granian", "whitenoise", "rich", "psycopg", "django-axes"}


def pins(name: str) -> dict[str, list[Requirement]]:
    """The exact pins of a requirements file, by package; a package may have one for each Python."""
    found: dict[str, list[Requirement]] = {}
    for line in (ROOT / name).read_text().splitlines():
        if line and not line.startswith(("#", "-r")):
            requirement = Requirement(line)
            found.setdefault(canonicalize_name(requirement.name), []).append(requirement)
    return found


def version_of(pin: Requirement) -> str:
    (specifier,) = pin.specifier
    assert specifier.operator == "==", f"{pin} is no exact pin"
    return specifier.version


def project() -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return found


def test_three_packages_and_nothing_else_stand_at_the_top(installed: Installed) -> None:
    names = zipfile.ZipFile(installed.wheel).namelist()
    top = {name.split("/")[0] for name in names}
    assert {name for name in top if not name.endswith(".dist-info")} == {"alerts_runtime", "notifier", "webhooks"}
    for package in ("alerts_runtime", "notifier", "webhooks"):
        assert f"{package}/py.typed" in names
        assert f"{package}/migrations/0001_initial.py" in names
    for needed in ("notifier/templates/notifier/email/alert.html", "notifier/static/notifier/pages.css"):
        assert needed in names
    assert not [name for name in names if re.search(r"(^|/)tests?/|\.pyc$|(^|/)\.", name)]


def test_the_licence_is_in_it_and_named(installed: Installed) -> None:
    wheel = zipfile.ZipFile(installed.wheel)
    (metadata,) = (name for name in wheel.namelist() if name.endswith("/METADATA"))
    said = Parser().parsestr(wheel.read(metadata).decode())
    assert (said["License-Expression"], said["License-File"]) == ("MIT", "LICENSE")
    assert any(name.endswith("licenses/LICENSE") for name in wheel.namelist())
    assert {"postgres", "celery", "huey", "ses"} <= set(said.get_all("Provides-Extra", []))


def test_this_sites_pins_are_within_the_ranges_and_neither_lacks_one() -> None:
    ranges = {canonicalize_name(one.name): one for one in map(Requirement, project()["dependencies"])}
    site = pins("requirements.txt")
    assert set(site) == set(ranges) - {"requests"} | FOR_THIS_SITE
    for name, wanted in ranges.items():
        if name == "requests":
            continue  # stripe and twilio bring it: it has no pin of its own
        assert name in site, f"requirements.txt has no pin of {name}"
        for pin in site[name]:
            assert wanted.specifier.contains(version_of(pin)), f"{pin} is not within {wanted}"


def test_extras_agree_with_the_requirements_of_each_engine() -> None:
    extras: dict[str, list[str]] = project()["optional-dependencies"]
    files = {
        "celery": "requirements-celery.txt",
        "huey": "requirements-huey.txt",
        "ses": "requirements-ses.txt",
        "ics": "requirements-ics.txt",
    }
    for extra, file in files.items():
        known = pins(file)
        for wanted in map(Requirement, extras[extra]):
            for pin in known[canonicalize_name(wanted.name)]:
                assert wanted.specifier.contains(version_of(pin)), f"{pin} is not within {wanted}"


def test_the_oldest_versions_that_are_allowed_are_those_that_are_tried() -> None:
    said = project()
    allowed = [*said["dependencies"], *said["optional-dependencies"]["postgres"]]
    tried = pins("requirements-oldest.txt")
    assert set(tried) == {canonicalize_name(Requirement(one).name) for one in allowed}
    for wanted in map(Requirement, allowed):
        (lowest,) = (one.version for one in wanted.specifier if one.operator == ">=")
        (pin,) = tried[canonicalize_name(wanted.name)]
        exact = Version(version_of(pin))
        assert exact.release[:3] == (*Version(lowest).release, 0, 0)[: len(exact.release[:3])], f"{pin} is not {lowest}"


def test_dj_stripes_environment_has_this_sites_pins_but_for_django_and_stripe() -> None:
    site, bench = pins("requirements.txt"), pins("requirements-bench.txt")
    needed = {canonicalize_name(Requirement(one).name) for one in project()["dependencies"]} - {"requests"}
    assert needed <= set(bench), "requirements-bench.txt lacks what the alerts need"
    for name in set(site) & set(bench) - {"django", "stripe"}:
        assert bench[name] == site[name]
    (stripe,) = bench["stripe"]
    (ours,) = [one for one in map(Requirement, project()["dependencies"]) if one.name == "stripe"]
    assert ours.specifier.contains(version_of(stripe)), "dj-stripe's stripe is not within our range"
    assert Path(ROOT / ".ci/run").read_text().count(".venv-bench/.ready")
