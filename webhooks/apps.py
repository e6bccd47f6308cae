from django.apps import AppConfig

from alerts_runtime import installed


class WebhooksConfig(AppConfig):
    name = "webhooks"
    label = "swa_webhooks"  # in the names of tables and permissions, so it must not change
    verbose_name = "Stripe webhooks"

    def import_models(self) -> None:
        installed.check(self.name)  # here and not in ready(): before that the admin imports modules of ours
        super().import_models()

    def ready(self) -> None:
        from alerts_runtime import background
        from alerts_runtime.database import trials
        from alerts_runtime.monitoring import metrics
        from webhooks import checks, deploy_checks, handler_checks, handlers, loops  # noqa: F401 - these register checks
        from webhooks.metrics import collect
        from webhooks.receive import store

        handlers.autodiscover()
        background.register(loops.loops)
        metrics.register(collect)
        trials.register(store.try_to_store)
