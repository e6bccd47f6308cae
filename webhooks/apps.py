from django.apps import AppConfig


class WebhooksConfig(AppConfig):
    name = "webhooks"
    verbose_name = "Stripe webhooks"

    def ready(self) -> None:
        from core import metrics, trials, worker
        from webhooks import checks, deploy_checks, handlers, inbox, tasks  # noqa: F401 - importing checks registers them
        from webhooks.metrics import collect

        handlers.autodiscover()
        worker.register(tasks.loops)
        metrics.register(collect)
        trials.register(inbox.try_to_store)
