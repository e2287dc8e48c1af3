"""Model lines of the toy world, made through the services as a user would."""

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractUser

from registry.catalog.models import Alias, Artifact
from registry.catalog.services.register_model import register_model
from registry.catalog.services.store_artifact import Upload, store_artifact
from registry.evaluation.models import SetRevision
from registry.evaluation.services.add_revision import add_revision
from registry.galleries.models import Gallery, InsertBatch
from registry.galleries.services.create_gallery import create_gallery
from registry.galleries.services.insert import submit_inputs
from registry.upgrades.models import Upgrade
from registry.upgrades.services.gates import ensure_alias, pin_set
from registry.upgrades.services.promote import promote
from registry.upgrades.services.propose import register_and_propose
from tests.builders import toy
from tests.queue import Queue


def a_person(name: str = "ann") -> AbstractUser:
    """Return an account that may sign in."""
    users = get_user_model().objects
    return users.filter(username=name).first() or users.create_user(name)


def an_artifact(data: bytes, kind: Upload = Upload.TABLE) -> Artifact:
    """Return stored bytes."""
    return store_artifact([data], kind=kind)


class Line:
    """A registered model with a pinned evaluation set, and what is done to it in tests."""

    def __init__(
        self, queue: Queue, task: str = "embedding", name: str = "line", rows: int = toy.ROWS
    ) -> None:
        self.queue = queue
        self.name = name
        self.person = a_person()
        self.model = register_model(name=name, task=task, actor=self.person)
        self.alias: Alias = ensure_alias(model=self.model)
        self.pin(toy.an_evaluation_set(task, rows))

    def pin(self, upload: bytes) -> SetRevision:
        """Add a revision of the line's evaluation set and let it judge."""
        revision = self.queue.act(
            add_revision,
            name=f"{self.name}-judged",
            task=self.model.task,
            artifact=an_artifact(upload),
            actor=self.person,
        )
        self.queue.settle()
        revision.refresh_from_db()
        self.queue.act(pin_set, alias=self.alias, revision=revision, actor=self.person)
        return revision

    def push(self, uploaded: tuple[bytes, dict[str, Any]], **changes: Any) -> Upgrade:
        """Register a candidate; its work waits in the queue."""
        graph, manifest = uploaded
        artifact = an_artifact(graph, Upload.MODEL)
        values = {"model_name": self.name, "manifest": manifest, "actor": self.person}
        return self.queue.act(register_and_propose, artifact=artifact, **(values | changes))

    def judge(self, uploaded: tuple[bytes, dict[str, Any]], **changes: Any) -> Upgrade:
        """Register a candidate and run all work; return the judged upgrade."""
        upgrade = self.push(uploaded, **changes)
        self.queue.settle()
        upgrade.refresh_from_db()
        return upgrade

    def promote(self, upgrade: Upgrade) -> Upgrade:
        """Promote a judged upgrade and run what follows."""
        self.queue.act(promote, upgrade_id=upgrade.pk, actor=self.person)
        self.queue.settle()
        self.alias.refresh_from_db()
        upgrade.refresh_from_db()
        return upgrade

    def gallery(self, rows: int = 50) -> Gallery:
        """Open a gallery that follows the alias and fill it through the live encoder."""
        gallery = create_gallery(name=f"{self.name}-items", alias=self.alias, actor=self.person)
        self.insert(gallery, toy.items(rows))
        gallery.refresh_from_db()
        return gallery

    def insert(self, gallery: Gallery, upload: bytes) -> InsertBatch:
        """Hand inputs to the gallery and run the work."""
        batch = self.queue.act(
            submit_inputs, gallery=gallery, upload=an_artifact(upload), actor=self.person
        )
        self.queue.settle()
        batch.refresh_from_db()
        return batch
