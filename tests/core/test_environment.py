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
        ("celry", "", "TASKS=celry is no engine. There are worker, celery, huey, or a backend's path."),
        ("huey", "huey", "TASKS=huey needs its packages: pip install -r requirements-huey.txt"),
        ("celery", "django_tasks_fennel", "TASKS=celery needs its packages: pip install -r requirements-celery.txt"),
    ],
)
def test_an_engine_that_cannot_be_used_says_what_to_do(engine: str, absent: str, said: str) -> None:
    program = f"import sys; sys.modules[{absent!r}] = None; import core.settings"
    environment = os.environ | {"TASKS": engine}
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert said in ended.stderr
