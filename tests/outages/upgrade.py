"""A deploy under load: the version before runs on while the migrations are applied, and beside the new one."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tests.acceptance.site import ROOT, eventually, free_port
from tests.chaos import READABLE
from tests.chaos.machine import Machine
from tests.outages import stage
from tests.outages.load import Load
from tests.outages.report import Outcome, Unavailable

APPS = ("alerts_runtime", "webhooks", "notifier")
STOPS_WITHIN = 30.0  # seconds; a supervisor's usual patience


def deploy(folder: Path) -> Outcome:
    """Migrate, start the new version beside the old one, stop the old one: as docs/howto/production.md says."""
    outcome = Outcome()
    with _before(folder / "before") as old, stage.site(folder, "postgresql", workers=0, web=False) as site:
        undone = _go_back(site, old)
        with contextlib.ExitStack() as processes:
            web = processes.enter_context(_process(site, old, "web", *_granian(site.port)))
            worker = processes.enter_context(_process(site, old, "worker", "manage.py", "worker"))
            eventually(lambda: _listens(site.port), what="the old version's first answer")
            with Load(site) as load:
                load.wait_for(40)
                site.manage("migrate", "--verbosity", "0")
                load.wait_for(40)
                port = free_port()
                processes.enter_context(_process(site, ROOT, "web", *_granian(port)))
                processes.enter_context(_process(site, ROOT, "worker", "manage.py", "worker"))
                eventually(lambda: _listens(port), what="the new version's first answer")
                site.port = port
                load.wait_for(60)
                began = time.monotonic()
                for process in (web, worker):
                    process.send_signal(signal.SIGTERM)
                codes = [process.wait(STOPS_WITHIN) for process in (web, worker)]
                stopped = time.monotonic() - began
                outcome.check(codes == [0, 0], f"SIGTERM ended the old version's web and worker with {codes}")
                back = time.monotonic()
                load.wait_for(40)
            # The old version waits longer than the tests' settings before it tries again.
            site.execute(f"UPDATE swa_webhooks_webhookevent SET due_at = {site.ago(seconds=1)} WHERE state = 'pending'")
            stage.recover(site, outcome, back)
        outcome.check(set(load.statuses()) == {200}, f"the web processes answered {dict(load.statuses())}")
        outcome.said = f"migrations applied: {undone or 'none'}; SIGTERM ended the old version in {stopped:.1f} s"
        return stage.count(site, load, outcome)


@contextlib.contextmanager
def _before(folder: Path) -> Iterator[Path]:
    """The source of the version before: the newest tag, or what was there before the newest migration, or HEAD."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        raise Unavailable("the version before comes from git, which is not here")
    newest = _git("log", "-1", "--format=%H", "--diff-filter=A", "--", *_LATER)
    commit = next(filter(_leads_here, (_git("describe", "--tags", "--abbrev=0"), f"{newest}^", "HEAD")), None)
    if commit is None:
        raise Unavailable("no version in git has migrations that lead to these")
    try:
        subprocess.run(
            ["git", "worktree", "add", "--detach", "--force", str(folder), commit],
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
        )
    except subprocess.CalledProcessError as error:
        raise Unavailable(f"git gives no second work tree: {error.stderr.strip()[:200]}") from error
    try:
        yield folder
    finally:
        subprocess.run(["git", "worktree", "remove", "--force", str(folder)], cwd=ROOT, check=True, capture_output=True)


_LATER = (":(glob)*/migrations/0*.py", ":(exclude,glob)*/migrations/0001_*.py")


def _leads_here(commit: str) -> bool:
    """Whether a version's migrations are the first of those that are here now."""
    for app in APPS:
        there = _git("ls-tree", "--name-only", f"{commit}:{app}/migrations").split() if commit else []
        numbered = {name for name in there if name[:1].isdigit()}
        if not numbered or not all((ROOT / app / "migrations" / name).exists() for name in numbered):
            return False
    return True


def _git(*arguments: str) -> str:
    """What git says; nothing when it fails, as in a clone without history."""
    done = subprocess.run(["git", *arguments], cwd=ROOT, check=False, capture_output=True, text=True)
    return "" if done.returncode else done.stdout.strip()


def _go_back(site: Machine, old: Path) -> str:
    """Undo the migrations that the old version has not; their names."""
    undone = []
    for app in APPS:
        known = sorted(path.stem for path in (old / app / "migrations").glob("0*.py"))
        later = sorted({path.stem for path in (ROOT / app / "migrations").glob("0*.py")} - set(known))
        if later:
            site.manage("migrate", f"swa_{app.removeprefix('alerts_')}", known[-1], "--verbosity", "0")
            undone += [f"{app}.{name}" for name in later]
    return ", ".join(undone)


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def _granian(port: int) -> tuple[str, ...]:
    return (
        *("-m", "granian", "--interface", "wsgi", "--no-ws", "--host", "127.0.0.1", "--port", str(port)),
        *("--blocking-threads", "4", "--workers-kill-timeout", "10", "core.wsgi:application"),
    )


@contextlib.contextmanager
def _process(site: Machine, source: Path, name: str, *command: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process of that version. The one before has its own settings: it knows nothing of these tests."""
    environment = site.environment | {"PYTHONPATH": str(source)}
    if source != ROOT:
        # By its own settings, and to the same channel: else the new version's recipients would take over from its.
        environment |= {"DJANGO_SETTINGS_MODULE": "core.settings", "SLACK_CHANNEL": READABLE}
    with (site.folder / f"{name}-of-{source.name}.log").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=source,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
