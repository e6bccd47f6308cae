"""Takes failures from the apps that receive events. A module is imported only if its app is installed."""
