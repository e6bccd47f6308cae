from django.apps import AppConfig


class RuntimeConfig(AppConfig):
    name = "alerts_runtime"
    label = "swa_runtime"  # tables and permissions hang on it

    def ready(self) -> None:
        from alerts_runtime import checks  # noqa: F401 - importing checks registers them
        from alerts_runtime.monitoring import dead_mans_switch
        from alerts_runtime.redaction import logs
        from alerts_runtime.worker import runner

        runner.register(dead_mans_switch.loops)
        logs.hear_python()
