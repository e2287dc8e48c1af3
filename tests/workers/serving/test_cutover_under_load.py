"""A real search process answers through every cutover and rollback: none fails, none is mixed."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from django.conf import settings
from django.db import connection

from compat.policy import Task
from registry.audit.selectors import verified_head
from registry.catalog.models import ModelVersion
from registry.galleries.models import Cutover, Gallery
from registry.upgrades.models import Upgrade
from registry.upgrades.services.promote import promote
from registry.upgrades.services.propose import propose
from registry.upgrades.services.roll_back import roll_back
from tests import servers
from tests.builders import registry as registered
from tests.builders.galleries import an_encoder, put, remove
from tests.processes import Installation, Processes, wait_until
from tests.soak import rounds
from tests.workers.serving.test_process import Served

pytestmark = [
    pytest.mark.soak,
    pytest.mark.postgres,
    pytest.mark.process,
    pytest.mark.django_db(transaction=True),
]

SAMPLE = [1.0, 2.0, 3.0, 4.0]
OF_OLD = {f"old-{n:02d}": [n + 1, (n * 7) % 5, -n] for n in range(20)}
OF_NEW = {f"new-{n:02d}": [-n, n + 2, (n * 3) % 7] for n in range(10)}
PASSING = "passing"
ITSELF = {"item of the old": "old-03", "item of the new": "new-03"}


@dataclass(frozen=True)
class Told:
    """One answer, and what its client knew when it asked."""

    least_epoch: int
    status: int
    body: dict[str, Any]
    took_ms: float


@dataclass
class Client(threading.Thread):
    """Asks one query after the other until it is told to stop."""

    url: str
    query: dict[str, Any]
    committed: Callable[[], int]
    told: list[Told] = field(default_factory=list)
    broken: list[BaseException] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self.over = threading.Event()

    __hash__ = threading.Thread.__hash__

    def run(self) -> None:
        headers = {"Authorization": f"Bearer {settings.SEARCH_SECRET}"}
        try:
            with httpx.Client(headers=headers, timeout=60) as http:
                while not self.over.is_set():
                    epoch, started = self.committed(), time.perf_counter()
                    answer = http.post(self.url, json={"k": 100, **self.query})
                    took = 1000 * (time.perf_counter() - started)
                    self.told.append(Told(epoch, answer.status_code, answer.json(), took))
                    time.sleep(0.005)
        except BaseException as exc:
            self.broken.append(exc)


@dataclass
class Line:
    """A gallery of two encoders that run; each was promoted, so that each can be rolled back to."""

    gallery: Gallery
    weights: dict[ModelVersion, np.ndarray]

    @property
    def versions(self) -> list[ModelVersion]:
        return list(self.weights)

    def encoded(self, version: str) -> np.ndarray:
        """Return the vector that a version makes of the sample."""
        found = {str(v): np.array(SAMPLE) @ w for v, w in self.weights.items()}
        return found[version]


def judged(alias, version) -> Upgrade:
    return registered.judge(propose(alias=alias, candidate=version, actor=version.created_by))


@pytest.fixture
def line() -> Line:
    alias = registered.an_alias(registered.a_model(task=Task.EMBEDDING))
    registered.a_pin(alias)
    first = np.arange(12).reshape(4, 3) + 1.0
    weights = {an_encoder(alias, matrix): matrix for matrix in (first, 100 - first**2)}
    old, new = weights
    promote(upgrade_id=judged(alias, old).pk, actor=old.created_by)
    gallery = registered.a_gallery(alias)
    put(gallery, OF_OLD)
    alias.refresh_from_db()
    waiting = judged(alias, new)
    promote(upgrade_id=waiting.pk, actor=old.created_by)
    put(gallery, OF_NEW)
    return Line(gallery, weights)


@pytest.fixture
def served(processes: Processes, postgres_folder: Path, line: Line) -> Served:
    """The search process on the database and the files of this test."""
    database = servers.postgres_url(postgres_folder, connection.settings_dict["NAME"])
    installation = Installation.full(Path(settings.REGISTRY_DATA_DIR), database, "memory://")
    installation.environment.update(
        SEARCH_SECRET=settings.SEARCH_SECRET, SECRET_KEY=settings.SECRET_KEY
    )
    (installation.folder / "search_secret").write_text(settings.SEARCH_SECRET)
    served = Served(processes, installation)
    wait_until(lambda: len(served.family()) == 4, timeout_s=90, what="both encoders to be warm")
    return served


def test_no_search_fails_and_none_is_mixed(line, served, soak_row):
    old, new = line.versions
    committed = [line.gallery.epoch]
    queries: dict[str, dict[str, Any]] = {
        "input": {"input": SAMPLE},
        **{name: {"item_id": item} for name, item in ITSELF.items()},
        "vector of the old": {"vector": [1.0, 2.0, 3.0], "producer": str(old)},
    }
    url = served._url(f"/galleries/{line.gallery.name}/search")
    clients = {name: Client(url, query, lambda: committed[0]) for name, query in queries.items()}
    family = set(served.family())
    for client in clients.values():
        client.start()

    moves = rounds(ci=12, full=1000)
    for number in range(moves):
        actor = line.gallery.created_by
        promotion = roll_back(
            alias=line.gallery.alias,
            target=(old, new)[number % 2],
            actor=actor,
            reason="there and back",
            dual_query=number % 4 >= 2,
        )
        committed[0] = promotion.cutovers[0].epoch
        put(line.gallery, {PASSING: [number % 10, 0, 0]})
        time.sleep(0.02)
        remove(line.gallery, PASSING)
    for client in clients.values():
        client.over.set()
        client.join()

    assert [client.broken for client in clients.values()] == [[]] * len(clients)
    plans = plans_of(line.gallery)
    assert len(plans) == moves + 2
    for name, client in clients.items():
        for told in client.told:
            assert_one_epoch(name, told, plans, line)
        epochs = [told.body["epoch"] for told in client.told if told.status == 200]
        assert all(one <= two for one, two in pairwise(epochs)), name
    seen = {told.body["epoch"] for told in clients["input"].told}
    assert len(seen) > moves / 2, "the searches did not overlap the cutovers"
    assert {bool(plans[epoch].own) for epoch in seen} == {True, False}
    assert set(served.family()) == family, "a cutover started or ended a process"
    verified_head()
    first, others = latencies(clients["input"].told)
    asked = sum(len(client.told) for client in clients.values())
    refused = sum(told.status != 200 for told in clients["vector of the old"].told)
    soak_row(
        "cutovers and rollbacks under search, each second pair a dual query",
        f"{moves} moves, {asked} searches",
        "none failed, none mixed, none older than asked for; "
        f"{refused} foreign vectors refused; by input, first of an epoch "
        f"{first[0]:.0f} / {first[1]:.0f} ms, others {others[0]:.0f} / {others[1]:.0f} ms "
        "(median / p99)",
    )


@dataclass(frozen=True)
class Plan:
    """What a view says: its encoder, and who queries each of its segments."""

    view: int
    encoder: str
    asking: dict[int, str]
    own: bool


def plans_of(gallery: Gallery) -> dict[int, Plan]:
    """Return the plan of each epoch that there was."""
    plans = {}
    cutovers = Cutover.objects.filter(gallery=gallery)
    for cutover in cutovers.select_related("to_view__encoder__model"):
        entries = cutover.to_view.entries.filter(searchable=True)
        asking = {
            entry.segment.number: str(entry.encoder)
            for entry in entries.select_related("segment", "encoder__model")
        }
        encoder = str(cutover.to_view.encoder)
        own = set(asking.values()) != {encoder}
        plans[cutover.epoch] = Plan(cutover.to_view.number, encoder, asking, own)
    return plans


def assert_one_epoch(name: str, told: Told, plans: dict[int, Plan], line: Line) -> None:
    """The answer is that of one view, not older than asked for, and finds all it must."""
    old, new = map(str, line.versions)
    if told.status != 200:
        assert name == "vector of the old", told
        assert (told.status, told.body["code"]) == (409, "wrong_producer")
        return
    plan = plans[told.body["epoch"]]
    assert told.body["epoch"] >= told.least_epoch
    assert (told.body["view"], told.body["encoder"]) == (plan.view, plan.encoder)
    assert told.body["merged_by"] == ("calibrated" if plan.own and "input" in name else "score")
    hits = {hit["id"]: hit for hit in told.body["hits"]}
    assert len(hits) == len(told.body["hits"])
    hits.pop(PASSING, None)
    assert all(hit["segment"] in plan.asking for hit in hits.values())
    of_new, of_all = set(OF_NEW), {*OF_OLD, *OF_NEW}
    if name == "input":
        assert told.body["skipped"] == []
        assert set(hits) == of_all
        for item, hit in hits.items():
            vector = np.array((OF_OLD | OF_NEW)[item], dtype=float)
            score = float(vector @ line.encoded(plan.asking[hit["segment"]]))
            assert hit["score"] == pytest.approx(score, rel=1e-5, abs=1e-3), item
        return
    producer = new if name == "item of the new" else old
    reaches_all = plan.encoder == producer and not plan.own
    must = of_all if reaches_all else (of_new if producer == new else set(OF_OLD))
    assert set(hits) == must - {ITSELF.get(name)}, name
    assert {skipped["reason"] for skipped in told.body["skipped"]} <= {"other_space"}


def latencies(told: list[Told]) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return median and p99 of the first answer of each epoch, and of all others."""
    first, others, epoch = [], [], None
    for answer in told:
        (others if answer.body["epoch"] == epoch else first).append(answer.took_ms)
        epoch = answer.body["epoch"]
    first_ms, others_ms = (np.percentile(took, (50, 99)) for took in (first, others))
    return tuple(first_ms), tuple(others_ms)
