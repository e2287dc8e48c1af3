"""Steps that both lines of the demo take; each finds what an earlier run has left."""

import hashlib
from pathlib import Path
from typing import Any

from client.demo.story.api import Api, ApiError
from client.demo.story.report import Report

FINAL = {
    *("judged", "refused", "withdrawn", "rejected", "superseded"),
    *("promoted", "rolled_back", "replaced"),
}


def open_line(api: Api, name: str, task: str, set_name: str, set_file: str) -> None:
    """Make the model, upload the evaluation set, and let it judge the production alias."""
    allow(api, "duplicate_model", "models", name=name, task=task)
    api_upload_set(api, set_name, task, Path(set_file))
    allow(api, "duplicate_alias", f"models/{name}/aliases", name="production")
    gate = api.get(f"models/{name}/aliases/production/gate")
    if f"{set_name}:1" not in [pin["evaluation_set"] for pin in gate["pins"]]:
        api.post(f"models/{name}/aliases/production/pins", evaluation_set=f"{set_name}:1")


def api_upload_set(api: Api, name: str, task: str, file: Path) -> None:
    """Upload an evaluation set and wait until it can judge."""
    try:
        api.upload("evaluation-sets", file, name=name, task=task)
    except ApiError as exc:
        if exc.code != "duplicate_revision":
            raise
    path = f"evaluation-sets/{name}/revisions/1"
    revision = api.wait(path, lambda r: r["state"] != "inspecting")
    if revision["state"] != "ready":
        raise ApiError(0, revision["error"]["code"], revision["error"]["detail"])


def push(api: Api, model: str, made: dict[str, Any]) -> dict[str, Any]:
    """Upload a candidate, or find it, and wait for its verdict; return the upgrade."""
    file = Path(made["path"])
    parents = [
        {"version": f"{model}:{edge['parent']}", "relation": edge["relation"]}
        for edge in made["lineage"]
    ]
    try:
        answer = api.upload(
            f"models/{model}/versions",
            file,
            manifest=made["manifest"],
            parents=parents,
            card=made["recipe"],
        )
        upgrade = answer["upgrade"]
    except ApiError as exc:
        if exc.code != "duplicate_version":
            raise
        upgrade = _find(api, model, file)
    return judged(api, upgrade)


def judged(api: Api, upgrade: int) -> dict[str, Any]:
    """Wait until an upgrade is judged or closed, and return it."""
    return api.wait(f"upgrades/{upgrade}", lambda u: u["state"] in FINAL)


def propose_again(api: Api, model: str, upgrade: dict[str, Any]) -> dict[str, Any]:
    """Open an upgrade that was rolled back or replaced, and wait for its new verdict."""
    number = int(upgrade["candidate"].rpartition(":")[2])
    opened = api.post("upgrades", model=model, version=number)
    return judged(api, opened["id"])


def serving(api: Api, model: str) -> str | None:
    """Return the version that production names."""
    return api.get(f"models/{model}/aliases/production")["version"]


def allow(api: Api, code: str, path: str, **body: Any) -> None:
    """Ask for an act that an earlier run may have done already."""
    try:
        api.post(path, **body)
    except ApiError as exc:
        if exc.code != code:
            raise


def measured(api: Api, upgrade: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the measurements of an upgrade's first comparison on the whole set, by name."""
    comparison = api.get(f"comparisons/{upgrade['verdict']['comparisons'][0]}")
    return {m["name"]: m for m in comparison["measurements"] if not m["slice"]}


def tell_development(report: Report, made: dict[str, Any]) -> None:
    """Print what was known about a version before anything was judged."""
    figures = ", ".join(f"{k} {v:.4g}" for k, v in made["development"].items())
    report.say("version %d: %s (development: %s)", made["number"], made["recipe"], figures)


def _find(api: Api, model: str, file: Path) -> int:
    """Return the upgrade of the version that holds these bytes."""
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    versions = api.get(f"models/{model}/versions", page_size=200)["results"]
    version = next(v["version"] for v in versions if v["artifact"] == digest)
    upgrades = api.get("upgrades", model=model, page_size=200)["results"]
    return next(u["id"] for u in upgrades if u["candidate"] == version)
