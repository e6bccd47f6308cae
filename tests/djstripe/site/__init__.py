"""A site that runs dj-stripe and adds the alerts: nothing of it is known to the project's own settings."""
