from django.apps import AppConfig


class NotifierConfig(AppConfig):
    name = "notifier"
    verbose_name = "Alerts"

    def ready(self) -> None:
        from core import metrics, worker
        from notifier import checks, receivers, tasks  # noqa: F401 - importing connects receivers, registers checks
        from notifier.metrics import collect

        worker.register(tasks.loops)
        metrics.register(collect)
