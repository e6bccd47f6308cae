from django.apps import AppConfig

from alerts_runtime import installed


class NotifierConfig(AppConfig):
    name = "notifier"
    label = "swa_notifier"  # tables and permissions hang on it
    verbose_name = "Alerts"

    def import_models(self) -> None:
        installed.check(self.name)  # before others' ready(), of which the admin's imports our modules
        super().import_models()

    def ready(self) -> None:
        from django.db.models.signals import post_migrate

        from alerts_runtime import background
        from alerts_runtime.monitoring import metrics
        from notifier import checks  # noqa: F401 - importing registers checks
        from notifier.answers import slack_work
        from notifier.delivery import loops
        from notifier.intake import source
        from notifier.metrics import collect
        from notifier.pages import groups

        source.connect()
        background.register(loops.loops)
        background.register(slack_work.loops)
        metrics.register(collect)
        post_migrate.connect(groups.make, sender=self, dispatch_uid="notifier.groups")
