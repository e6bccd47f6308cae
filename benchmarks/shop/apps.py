from django.apps import AppConfig


class ShopConfig(AppConfig):
    name = "benchmarks.shop"
    label = "benchmark_shop"
    default_auto_field = "django.db.models.BigAutoField"
