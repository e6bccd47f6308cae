"""A project as `startproject` makes it, whose owner follows the README."""

from __future__ import annotations

import re
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import stripe

from tests.acceptance.site import eventually, free_port
from tests.package.conftest import ROOT, Installed, clean

SIGNING_SECRET = "whsec_canary0aaaaaaaaaaaaaaaaaaaaaaa"
SLACK_TOKEN = "xoxb-1-canary1bbbbbbbbbbbbbbbb"
MODELS = """
class Orders:
    def mark_paid(self, invoice):
        raise LookupError(f"no order for {invoice}; card 4242424242424242")

class Order:
    objects = Orders()
"""


def snippet(first_line: str) -> str:
    """The README's block that begins so, without that line."""
    blocks: list[str] = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    (found,) = (block for block in blocks if block.startswith(first_line))
    return found.split("\n", 1)[1]


@dataclass(frozen=True)
class Project:
    installed: Installed
    folder: Path
    name: str
    environment: Mapping[str, str]

    @property
    def settings(self) -> Path:
        return self.folder / self.name / "settings.py"

    @property
    def urls(self) -> Path:
        return self.folder / self.name / "urls.py"

    def manage(self, *arguments: str, check: bool = True) -> str:
        return self.installed.run("manage.py", *arguments, cwd=self.folder, check=check, **self.environment)

    @contextmanager
    def running(self, *arguments: str) -> Iterator[Path]:
        """A command that goes on, with its output in a file."""
        log = self.folder / f"{arguments[0]}.log"
        with log.open("wb") as out:
            command = [str(self.installed.python), "manage.py", *arguments]
            environment = clean(**self.environment, PYTHONUNBUFFERED="1")
            process = subprocess.Popen(command, cwd=self.folder, env=environment, stdout=out, stderr=out)
            try:
                yield log
            finally:
                process.terminate()
                process.wait(30)


def start(installed: Installed, folder: Path, name: str, **environment: str) -> Project:
    installed.run("-m", "django", "startproject", name, ".", cwd=folder)
    return Project(installed, folder, name, environment)


def add(project: Project, slack_url: str) -> None:
    """What the README says, word for word; and where this test's Slack is."""
    project.installed.run("manage.py", "startapp", "shop", cwd=project.folder)
    (project.folder / "shop/models.py").write_text(MODELS)
    (project.folder / "shop/stripe_handlers.py").write_text(snippet("# shop/stripe_handlers.py"))
    own = (
        f'INSTALLED_APPS += ["shop"]\nSLACK_API_URL = "{slack_url}"\nALLOWED_HOSTS = ["shop.example"]\nDEBUG = False\n'
    )
    with project.settings.open("a") as settings:
        settings.write(snippet("# settings.py") + own)
    with project.urls.open("a") as urls:
        urls.write(snippet("# urls.py"))


def post(port: int, body: str, host: str = "shop.example") -> int:
    signature = str(stripe.WebhookSignature.generate_signature_header(body, SIGNING_SECRET))
    request = urllib.request.Request(f"http://127.0.0.1:{port}/stripe/default/", body.encode(), method="POST")
    for name, value in {"Host": host, "Stripe-Signature": signature, "Content-Type": "application/json"}.items():
        request.add_header(name, value)
    return _status(request)


def get(port: int, path: str, host: str = "shop.example") -> int:
    return _status(urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"Host": host}))


@contextmanager
def serving(project: Project) -> Iterator[tuple[int, Path]]:
    port = free_port()
    with project.running("runserver", "--noreload", "--nothreading", f"127.0.0.1:{port}") as log:
        eventually(lambda: get(port, "/healthz") == 200, what="/healthz")
        yield port, log


def _status(request: urllib.request.Request) -> int:
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        time.sleep(0.05)
        return 0
