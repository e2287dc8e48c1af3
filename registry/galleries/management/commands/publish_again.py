"""``manage.py publish_again GALLERY``: its indexes are made anew from the chunks."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from registry.core.errors import RegistryError
from registry.galleries.selectors import gallery_named
from registry.galleries.services.publish_again import publish_again


class Command(BaseCommand):
    help = "Queue the indexes of a gallery again; what is searched now stays until they are there."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("gallery")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            gallery = gallery_named(options["gallery"])
            queued = publish_again(gallery=gallery, actor="console")
        except RegistryError as exc:
            raise CommandError(f"{exc.code}: {exc}") from exc
        self.stdout.write(f"{queued} segments of {gallery} are queued")
