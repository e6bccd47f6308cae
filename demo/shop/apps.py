from django.apps import AppConfig


class ShopConfig(AppConfig):
    name = "demo.shop"
    label = "demo_shop"
