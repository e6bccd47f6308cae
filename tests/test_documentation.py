"""README, CONTRIBUTING and docs/: what they name is there, and what they say to write can be written."""

from __future__ import annotations

import ast
import re
import shlex
import textwrap
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from django.core.management import get_commands, load_command_class

from notifier.config import problems
from notifier.config.conf import parse

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
# Folders whose own files are named without them, as in a table of what stands where.
SEEN_FROM = [ROOT, *(ROOT / name for name in ("notifier", "webhooks", "alerts_runtime", "tests"))]
OURS = ("notifier", "webhooks", "alerts_runtime", "core", "tests", "demo", "benchmarks")
MADE = {"var/bench.json"}  # by a command


def text(page: Path) -> str:
    return page.read_text()


def blocks(page: Path, kind: str) -> list[str]:
    return [textwrap.dedent(found) for found in re.findall(rf"^ *```{kind}\n(.*?)^ *```", text(page), re.M | re.S)]


def spans(page: Path) -> list[str]:
    """What is written as code within a sentence."""
    prose = re.sub(r"^ *```.*?^ *```", "", text(page), flags=re.M | re.S)
    return [" ".join(found.split()) for found in re.findall(r"`([^`]+)`", prose)]


def headings(page: Path) -> set[str]:
    """The anchors that GitHub makes of them."""
    found = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", text(page), flags=re.S), re.M)
    return {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in found}


def commands() -> Iterator[tuple[str, str, str]]:
    """Each line for manage.py: the page's name, the command and its arguments."""
    for page in PAGES:
        lines = [line for kind in ("console", "") for block in blocks(page, kind) for line in block.splitlines()]
        for line in (*lines, *spans(page)):
            if found := re.match(r"(?:\$ )?(?:python )?manage\.py ([a-z_]+)(.*)", line):
                yield page.name, found[1], found[2].partition("  #")[0].strip()


def names(page: str | Path) -> str:
    return str(Path(page).relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=names)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target, anchor in re.findall(r"\]\(([^)#\s]*)(#[^)\s]+)?\)", text(page)):
        if "://" in target:
            continue
        there = (page.parent / target).resolve() if target else page
        assert there.exists(), target
        assert not anchor or anchor[1:] in headings(there), f"{target}{anchor}"


@pytest.mark.parametrize("page", PAGES, ids=names)
def test_every_path_and_module_that_is_named_is_there(page: Path) -> None:
    for name in spans(page):
        if re.fullmatch(r"[\w.-]+(/[\w.-]+)*/([\w.-]+)?", name) and name not in MADE:
            assert any((folder / name).exists() for folder in SEEN_FROM), name
        elif re.fullmatch(rf"({'|'.join(OURS)})(\.\w+)+", name) and not re.search(r"\.[EWI]\d{3}$", name):
            assert _resolves(name), name


def _resolves(name: str) -> bool:
    module = name
    rest: list[str] = []
    while True:
        try:
            found: object = import_module(module)
            break
        except ImportError:
            module, _, last = module.rpartition(".")
            rest.insert(0, last)
            if not module:
                return False
    for part in rest:
        if not hasattr(found, part):
            return False
        found = getattr(found, part)
    return True


def test_every_command_is_there_with_its_options() -> None:
    found = list(commands())
    assert len(found) > 50
    for page, name, arguments in found:
        app = get_commands().get(name)
        if name == "run_huey":  # Huey's own, where it is the engine
            continue
        assert app is not None, f"{page}: {name}"
        parser = load_command_class(app, name).create_parser("manage.py", name) if isinstance(app, str) else None
        known = {option for action in parser._actions for option in action.option_strings} if parser else set()
        given = {word.partition("=")[0] for word in shlex.split(arguments.replace("'", "")) if word.startswith("--")}
        assert given <= known, f"{page}: manage.py {name} {arguments}"


def test_every_target_of_make_is_there() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    lines = [line for page in PAGES for block in blocks(page, "console") for line in block.splitlines()]
    lines += [span for page in PAGES for span in spans(page)]
    named = {found[1] for line in lines if (found := re.match(r"(?:\$ )?make ([a-z]+)", line))}
    assert named <= targets
    assert "demo" in named


@pytest.mark.parametrize("page", PAGES, ids=names)
def test_every_piece_of_python_can_be_read_and_imports_what_there_is(page: Path) -> None:
    for block in blocks(page, "python"):
        code = block if not block.startswith('"') else f"_ = {{\n{block}\n}}"
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in OURS:
                for name in node.names:
                    assert _resolves(f"{node.module}.{name.name}"), f"{node.module}.{name.name}"


@pytest.mark.parametrize("page", PAGES, ids=names)
def test_every_whole_table_that_is_shown_can_be_used(page: Path) -> None:
    for block in blocks(page, "python"):
        for node in ast.parse(block if not block.startswith('"') else f"_ = {{\n{block}\n}}").body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "NOTIFIER" and "..." not in block:
                table = ast.literal_eval(node.value)
                policy, found = parse(table, lambda _: None)
                assert policy is not None, found


def test_the_page_on_the_settings_lists_what_the_checks_say() -> None:
    written = set(re.findall(r"^\| `notifier\.(\w+)` \|", (ROOT / "docs/settings.md").read_text(), re.M))
    ids = {value for value in vars(problems).values() if isinstance(value, str) and re.fullmatch(r"[EW]\d{3}", value)}
    assert written == ids
