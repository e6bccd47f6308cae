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
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
