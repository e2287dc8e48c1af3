#!/usr/bin/env python3
"""Django's command line."""

import os
import sys

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "registry.settings")
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
