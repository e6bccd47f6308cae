from django.apps import AppConfig


class WebhooksConfig(AppConfig):
    name = "webhooks"
    verbose_name = "Stripe webhooks"

    def ready(self) -> None:
        from core import metrics, worker
        from webhooks import checks, handlers, tasks  # noqa: F401 - importing checks registers them
        from webhooks.metrics import collect

        handlers.autodiscover()
        worker.register(tasks.loops)
        metrics.register(collect)
