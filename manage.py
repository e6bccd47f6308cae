#!/usr/bin/env python
"""Entry point of Django's commands."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "core.settings")
    try:
        from django.core.management import execute_from_command_line
    except ImportError as error:
        raise SystemExit(f"Django is not installed here ({error}). Run `make setup` first.") from error
    from django.db import DatabaseError

    try:
        execute_from_command_line(sys.argv)
    except DatabaseError as error:  # Django's own commands would end with a traceback when there is no database
        if "--traceback" in sys.argv:
            raise
        from alerts_runtime.management.database import why_not

        sys.exit(f"CommandError: {why_not(error)}")


if __name__ == "__main__":
    main()
