"""`.env.example` and the settings name the same variables with the same defaults."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def _read_by_settings() -> set[str]:
    """Every name that settings.py asks `env` for; of a name built at run time its constant beginning."""
    names = set()
    for node in ast.walk(ast.parse((ROOT / "core/settings.py").read_text())):
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("env.") and node.args:
            asked = node.args[0]
            if isinstance(asked, ast.Constant):
                names.add(str(asked.value))
            elif isinstance(asked, ast.JoinedStr) and isinstance(asked.values[0], ast.Constant):
                names.add(str(asked.values[0].value))  # the first endpoint's; others have a suffix
            elif isinstance(asked, ast.Name):
                names |= _loop_values(asked.id)
    return names


def _loop_values(variable: str) -> set[str]:
    tree = ast.parse((ROOT / "core/settings.py").read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.comprehension) and ast.unparse(node.target) == variable:
            return set(ast.literal_eval(node.iter))
    return set()


def _described() -> dict[str, str]:
    lines = (ROOT / ".env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def test_the_example_describes_every_variable_that_settings_read_and_no_other() -> None:
    assert set(_described()) == _read_by_settings()


def test_the_examples_values_are_the_defaults() -> None:
    source = (ROOT / "core/settings.py").read_text()
    for node in ast.walk(ast.parse(source)):
        if not (isinstance(node, ast.Call) and ast.unparse(node.func).startswith("env.") and len(node.args) == 2):
            continue
        name, default = node.args
        if not (isinstance(name, ast.Constant) and isinstance(default, ast.Constant)):
            continue
        written = _described()[str(name.value)]
        expected = str(default.value).lower() if isinstance(default.value, bool) else str(default.value)
        assert written == expected, f"{name.value!r}: .env.example says {written!r}, settings default to {expected!r}"


@pytest.mark.parametrize(
    ("engine", "absent", "said"),
    [
        (
            "celry",
            "",
            "TASKS=celry is not an engine: it must be worker, celery, huey or the dotted path of a Tasks backend.",
        ),
        ("huey", "huey", "TASKS=huey needs packages that are not installed: pip install -r requirements-huey.txt"),
        (
            "celery",
            "django_tasks_fennel",
            "TASKS=celery needs packages that are not installed: pip install -r requirements-celery.txt",
        ),
    ],
)
def test_an_engine_that_cannot_be_used_says_what_to_do(engine: str, absent: str, said: str) -> None:
    program = f"import sys; sys.modules[{absent!r}] = None; import core.settings"
    environment = os.environ | {"TASKS": engine}
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert said in ended.stderr


def said_of(**variables: str) -> tuple[int, str]:
    """What the settings make of these variables: exit code and standard error."""
    known = {"PATH": os.environ["PATH"], "DJANGO_ENV_FILE": os.devnull, "SECRET_KEY": "x" * 50, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", "import core.settings"]
    ended = subprocess.run(command, cwd=ROOT, env=known | variables, capture_output=True, text=True, check=False)
    return ended.returncode, ended.stderr


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("DEBUG", "maybe", "DEBUG=maybe cannot be used: it must be true or false."),
        ("EMAIL_PORT", "smtp", "EMAIL_PORT=smtp cannot be used: it must be a whole number from 1 to 65535."),
        ("EMAIL_PORT", "70000", "EMAIL_PORT=70000 cannot be used: it must be a whole number from 1 to 65535."),
        ("WORKER_THREADS", "0", "WORKER_THREADS=0 cannot be used: it must be a whole number, at least 1."),
        ("ALERTS_LEASE", "1m", "ALERTS_LEASE=1m cannot be used: it must be a whole number, at least 1."),
        (
            "WEBHOOK_RETENTION_DAYS",
            "²",
            "RETENTION_DAYS=² cannot be used: it must be a whole number, at least 1.",
        ),
        (
            "TIME_ZONE",
            "berlin",
            "TIME_ZONE=berlin cannot be used: it must be the name of a time zone, such as Europe/Berlin.",
        ),
        ("TIME_ZONE", "../etc", "it must be the name of a time zone, such as Europe/Berlin."),
        (
            "SITE_APPS",
            "shop,demoo.shop",
            "SITE_APPS=shop cannot be used: it must be an app that Python finds, by its dotted name",
        ),
        (
            "LOG_LEVEL",
            "loud",
            "LOG_LEVEL=LOUD cannot be used: it must be one of DEBUG, INFO,",
        ),
        (
            "SITE_URL",
            "shop.example",
            "SITE_URL=shop.example cannot be used: it must be an address",
        ),
        ("HEARTBEAT_URL", "https://h:p/", "HEARTBEAT_URL=https://h:p/ cannot be used: it must be an address such as"),
        (
            "DATABASE_URL",
            "mysql://shop:canary@db/shop",
            "DATABASE_URL=mysql:... cannot be used: it must be postgres://user:password@host:5432/name or "
            "sqlite:///path/to/file.",
        ),
        ("DATABASE_URL", "postgres://shop:canary@db:port/shop", "DATABASE_URL=postgres:... cannot be used"),
        ("DATABASE_URL", "canary", "DATABASE_URL=a value without a scheme cannot be used"),
        ("STRIPE_WEBHOOK_LIVEMODE", "live", "STRIPE_WEBHOOK_LIVEMODE=live cannot be used: it must be true or false."),
        ("SECRET_KEY", "", "SECRET_KEY is not set: `make setup` writes one into .env"),
    ],
)
def test_a_wrong_value_is_one_line(name: str, value: str, wanted: str) -> None:
    code, said = said_of(**{name: value})
    assert code == 3  # gunicorn's for what a new try does not mend
    assert wanted in said
    assert said.count("\n") == 1
    assert "canary" not in said


def test_right_values_are_read() -> None:
    values = {"DEBUG": "Yes", "EMAIL_PORT": " 2525 ", "TIME_ZONE": "America/New_York", "SITE_APPS": "demo.shop"}
    values |= {"LOG_LEVEL": "debug", "SITE_URL": "https://shop.example:8443/x", "LOGIN_LIMIT": "0"}
    assert said_of(**values, DATABASE_URL="postgresql://shop:secret@db:5433/shop") == (0, "")


def test_manage_py_says_the_same_line() -> None:
    environment = os.environ | {"EMAIL_PORT": "smtp", "DJANGO_ENV_FILE": os.devnull}
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    ended = subprocess.run(
        [sys.executable, "manage.py", "check"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert ended.stderr == "EMAIL_PORT=smtp cannot be used: it must be a whole number from 1 to 65535.\n"
