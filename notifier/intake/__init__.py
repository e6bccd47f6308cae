"""Where failures come from. Each module knows one source and is imported only where that app is installed."""
