"""Make its table."""

import django
from django.db import connection

django.setup()
from benchmarks.sides.floor.models import Event  # noqa: E402 - a model needs Django set up

with connection.schema_editor() as editor:
    editor.create_model(Event)
