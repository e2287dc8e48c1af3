"""``manage.py open_account NAME``: a random password, and a token when one is asked for."""

import json
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from registry.accounts.models import Scope
from registry.accounts.services.accounts import open_account
from registry.accounts.services.tokens import issue_token
from registry.core.errors import RegistryError


class Command(BaseCommand):
    help = "Open an account (or give it a new password) and print what opens it, once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name")
        parser.add_argument("--administrator", action="store_true")
        parser.add_argument("--token-days", type=int, help="also issue a token with every scope")
        parser.add_argument("--json", action="store_true", help="print for a program")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            user, password = open_account(
                name=options["name"], administrator=options["administrator"]
            )
            opened = {"name": user.get_username(), "password": password}
            if options["token_days"]:
                lifetime = timedelta(days=options["token_days"])
                _, opened["token"] = issue_token(
                    owner=user, name="console", scopes=Scope.values, lifetime=lifetime
                )
        except RegistryError as exc:
            raise CommandError(f"{exc.code}: {exc}") from exc
        if options["json"]:
            self.stdout.write(json.dumps(opened))
        else:
            for key, value in opened.items():
                self.stdout.write(f"{key:9} {value}")
