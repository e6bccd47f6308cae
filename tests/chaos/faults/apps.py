from django.apps import AppConfig


class FaultsConfig(AppConfig):
    name = "tests.chaos.faults"
    label = "faults"

    def ready(self) -> None:
        from tests.chaos.faults import kill, waits

        waits.shorten()
        kill.install()
