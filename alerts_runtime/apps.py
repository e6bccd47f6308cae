from typing import Any

from django.apps import AppConfig


class RuntimeConfig(AppConfig):
    name = "alerts_runtime"
    label = "swa_runtime"  # in the names of tables and permissions, so it must not change

    def ready(self) -> None:
        from alerts_runtime import installed

        installed.check(self.name)
        from alerts_runtime import background, checks  # noqa: F401 - importing checks registers them
        from alerts_runtime.engine import hints
        from alerts_runtime.monitoring import dead_mans_switch
        from alerts_runtime.redaction import logs
        from alerts_runtime.wakeups import wake

        hints.set_task(_look)
        wake.instead(hints.request_run_if_used)
        background.register(dead_mans_switch.loops)
        logs.hear_python()


def _look() -> Any:
    from alerts_runtime.engine.tasks import look

    return look
