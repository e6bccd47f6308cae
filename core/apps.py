from django.apps import AppConfig


class CoreConfig(AppConfig):
    name = "core"

    def ready(self) -> None:
        from core import checks, logs, ping, worker  # noqa: F401 - importing checks registers them

        worker.register(ping.loops)
        logs.hear_python()
