"""Workers on machines of their own (network namespaces): one is cut off while it holds leases, and rejoined."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from tests.acceptance.site import ROOT, event, eventually
from tests.chaos.machine import Machine
from tests.outages import stage
from tests.outages.cluster import cluster
from tests.outages.load import Load
from tests.outages.proxy import Proxy
from tests.outages.report import Outcome, Unavailable

# What the machine is at when it is cut off: a message, a handler outside of its transaction, and one inside.
_WORK = {"broken.message": "bug", "slow.outside": "sleep:9", "slow.inside": "sleep-locked:9"}
# What of that is still as it left it.
_LEASES = """
    SELECT (SELECT count(*) FROM swa_notifier_attempt WHERE id = 1 AND result = 'sending'),
           (SELECT count(*) FROM swa_webhooks_webhookevent WHERE type LIKE 'slow.%' AND attempts = 1)
"""
PROVIDERS = ("SLACK_API_URL", "TWILIO_API_URL", "POSTMARK_API_URL")


class Network:
    """Machines on one switch. The first address of the network is this machine's."""

    def __init__(self) -> None:
        self._bridge = f"ob{os.getpid() % 100_000}"
        self._net = f"10.213.{os.getpid() % 250}"
        self._names: list[str] = []
        self.host = f"{self._net}.1"

    def __enter__(self) -> Network:
        if os.geteuid() != 0:
            raise Unavailable("network namespaces need root")
        if shutil.which("ip") is None:
            raise Unavailable("the program ip (iproute2) is not on this machine")
        try:
            _ip(f"link add {self._bridge} type bridge")
        except subprocess.CalledProcessError as error:
            raise Unavailable(f"no network bridge can be made here: {error.stderr.strip()}") from error
        _ip(f"addr add {self.host}/24 dev {self._bridge}")
        _ip(f"link set {self._bridge} up")
        return self

    def __exit__(self, *_: object) -> None:
        for name in self._names:
            with contextlib.suppress(subprocess.CalledProcessError):
                _ip(f"netns del {name}")
        with contextlib.suppress(subprocess.CalledProcessError):
            _ip(f"link del {self._bridge}")

    def add(self) -> str:
        """The name of one more machine."""
        number = len(self._names) + 2
        name = f"{self._bridge}n{number}"
        self._names.append(name)
        _ip(f"netns add {name}")
        _ip(f"link add {name} type veth peer name eth0 netns {name}")
        _ip(f"link set {name} master {self._bridge} up")
        _ip(f"-n {name} addr add {self._net}.{number}/24 dev eth0")
        _ip(f"-n {name} link set eth0 up")
        _ip(f"-n {name} link set lo up")
        return name

    def cut(self, name: str) -> None:
        _ip(f"link set {name} down")

    def join(self, name: str) -> None:
        _ip(f"link set {name} up")


def _ip(arguments: str) -> None:
    subprocess.run(["ip", *arguments.split()], check=True, capture_output=True, text=True)


@contextlib.contextmanager
def _worker(site: Machine, machine: str, environment: dict[str, str]) -> Iterator[None]:
    with (site.folder / f"{machine}.log").open("wb") as output:
        process = subprocess.Popen(
            ["ip", "netns", "exec", machine, sys.executable, "manage.py", "worker"],
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def cut_off(folder: Path) -> Outcome:
    """The machine that is cut off holds events inside handlers, and a message that the provider is about to take."""
    outcome = Outcome()
    with contextlib.ExitStack() as stack:
        network = stack.enter_context(Network())
        stack.enter_context(cluster(folder, network.host))
        site = stack.enter_context(stage.site(folder, "postgresql", workers=0))
        environment = dict(site.environment)
        for name in PROVIDERS:
            provider = urlsplit(environment[name])
            wire = stack.enter_context(Proxy(("127.0.0.1", int(provider.port or 0)), network.host))
            environment[name] = environment[name].replace(provider.netloc, f"{network.host}:{wire.port}")
        one, other = network.add(), network.add()

        stack.enter_context(_worker(site, one, environment))
        eventually(lambda: site.value("SELECT count(*) FROM swa_runtime_workerheartbeat"), what="the first worker")
        site.providers.slack.script({"delay": 8.0})
        load, held = Load(site), [event(kind, behaviour=behaviour) for kind, behaviour in _WORK.items()]
        for body in held:
            site.deliver(body)
            load.accepted.add(body["id"])
        eventually(lambda: site.providers.slack.received, what="a request to Slack")
        second = stack.enter_context(contextlib.ExitStack())
        second.enter_context(_worker(site, other, environment))
        eventually(
            lambda: site.value("SELECT count(*) FROM swa_runtime_workerheartbeat") == 2,
            what="the second worker",
        )
        with load:
            load.wait_for(10)
            cut = time.monotonic()
            network.cut(one)
            outcome.check(site.rows(_LEASES) == [(1, 2)], f"it held {site.rows(_LEASES)} when it was cut off")
            eventually(lambda: site.rows(_LEASES) == [(0, 0)], 60, "the end of what the other machine held")
            outcome.said = f"taken over within {time.monotonic() - cut:.0f} s"
            network.join(one)
            back = time.monotonic()
            second.close()  # so that the one that was cut off has to do the rest
            load.wait_for(20)
        stage.recover(site, outcome, back)
        outcome.check(set(load.statuses()) == {200}, f"the web process answered {dict(load.statuses())}")
        return stage.count(site, load, outcome)
