"""The engine's broker is restarted, and has forgotten everything when it is back."""

from __future__ import annotations

import contextlib
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.acceptance.site import event, eventually, free_port
from tests.outages import stage
from tests.outages.load import Load
from tests.outages.proxy import Proxy
from tests.outages.report import Outcome, Unavailable

AWAY = 5.0  # seconds
NO_SLOWER = 2.0  # seconds; what connecting to a broker may take would show in the answers


def rabbitmq(folder: Path) -> Outcome:
    """A virtual host of its own on the machine's RabbitMQ, behind a proxy that is cut off."""
    if shutil.which("rabbitmqctl") is None:
        raise Unavailable("rabbitmqctl is not on this machine")
    name = f"outage_{secrets.token_hex(4)}"
    try:
        _rabbitmqctl("add_vhost", name)
    except subprocess.CalledProcessError as error:
        raise Unavailable(f"RabbitMQ gives no virtual host: {error.stderr.strip()[:200]}") from error
    try:
        _rabbitmqctl("set_permissions", "-p", name, "guest", ".*", ".*", ".*")
        with Proxy(("127.0.0.1", 5672)) as wire:

            def stop() -> None:
                wire.cut()
                queues = _rabbitmqctl("list_queues", "-q", "-p", name, "--no-table-headers", "name").split()
                for queue in queues:
                    _rabbitmqctl("delete_queue", "-p", name, queue)

            return _without(
                folder, "celery", stop, wire.restore, BROKER_URL=f"amqp://guest:guest@127.0.0.1:{wire.port}/{name}"
            )
    finally:
        _rabbitmqctl("delete_vhost", name)


def redis(folder: Path) -> Outcome:
    """A Redis of its own that keeps nothing on disk."""
    if shutil.which("redis-server") is None:
        raise Unavailable("redis-server is not on this machine")
    port = free_port()
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(contextlib.ExitStack())
        server.enter_context(_redis(port))
        return _without(
            folder,
            "huey",
            server.close,
            lambda: server.enter_context(_redis(port)),
            REDIS_URL=f"redis://127.0.0.1:{port}/0",
        )


def _without(
    folder: Path, engine: str, stop: Callable[[], object], start: Callable[[], object], **environment: Any
) -> Outcome:
    outcome = Outcome()
    with stage.site(folder, engine, workers=1, environment=environment) as site:
        processes = site.services()
        with Load(site) as load:
            load.wait_for(40)
            before = time.monotonic()
            stop()
            went = time.monotonic()
            told = event("broken.meanwhile", behaviour="bug")
            site.deliver(told)
            load.accepted.add(told["id"])
            eventually(lambda: "broken.meanwhile" in str(site.providers.slack.messages), what="an alert without broker")
            arrived = time.monotonic() - went
            time.sleep(max(AWAY - arrived, 0))
            start()
            back = time.monotonic()
            done = _done_by(engine, folder)
            load.wait_for(40)
            eventually(
                lambda: _done_by(engine, folder) > done, what="work that the engine did when its broker was back"
            )
        stage.recover(site, outcome, back)
        outcome.check(set(load.statuses()) == {200}, f"the web process answered {dict(load.statuses())}")
        slowest = load.slowest(before, back)
        outcome.check(slowest < NO_SLOWER, f"an answer took {slowest:.1f} s")
        outcome.check(site.services() == processes, "a process ended")
        outcome.said = f"without it all answers were 200, within {slowest:.2f} s; an alert took {arrived:.1f} s"
        return stage.count(site, load, outcome)


def _done_by(engine: str, folder: Path) -> int:
    """How many events the engine itself has processed."""
    return sum(log.read_text().count("event.processed") for log in folder.glob(f"{engine}-*.log"))


def _rabbitmqctl(*arguments: str) -> str:
    return subprocess.run(["rabbitmqctl", *arguments], check=True, capture_output=True, text=True).stdout


@contextlib.contextmanager
def _redis(port: int) -> Iterator[None]:
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        eventually(lambda: _pong(port), what="Redis's answer")
        yield
    finally:
        process.kill()
        process.wait()


def _pong(port: int) -> bool:
    from redis import Redis
    from redis.exceptions import ConnectionError as Refused

    with contextlib.suppress(Refused), Redis(port=port, socket_connect_timeout=1) as client:
        return bool(client.ping())
    return False
