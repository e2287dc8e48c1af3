"""The embedding line: an independent successor fails, a compatible one is cut over and back."""

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from client.demo import data
from client.demo.story.api import Api, ApiError
from client.demo.story.lines import (
    measured,
    open_line,
    propose_again,
    push,
    serving,
    tell_development,
)
from client.demo.story.report import Report

LINE, GALLERY = "digits-embedder", "digits"
QUERIES, NEIGHBOURS = 60, 5
LATE = 12
"""Items that are written after the cutover, by the new encoder."""


def tell(api: Api, made: dict[str, Any], report: Report) -> None:
    """Steps 1 to 3 of the demo."""
    line = made["models"][LINE]
    versions = {v["number"]: v for v in line["versions"]}
    judged_set = made["sets"][line["set"]]
    report.title("1. %s: a first version, and a gallery that follows production", LINE)
    open_line(api, LINE, "embedding", line["set"], judged_set["path"])
    _first_version(api, versions[1], report)
    _fill(api, report)
    _independent(api, versions[2], report)
    _compatible(api, versions[3], report)


def _first_version(api: Api, made: dict[str, Any], report: Report) -> None:
    tell_development(report, made)
    upgrade = push(api, LINE, made)
    report.verdict(upgrade)
    report.row("(first version)", upgrade)
    if upgrade["state"] == "judged" and serving(api, LINE) is None:
        api.post(f"upgrades/{upgrade['id']}/promote", reason="first version of the line")
    report.check(upgrade["verdict"]["outcome"] == "passed", "the first version passes its own rule")
    report.check(serving(api, LINE) == f"{LINE}:1", "production names %s:1", LINE)


def _fill(api: Api, report: Report) -> None:
    """Hand over every image that is not judged; the worker embeds them."""
    try:
        api.post("galleries", name=GALLERY, model=LINE, alias="production")
    except ApiError as exc:
        if exc.code != "duplicate_gallery":
            raise
    else:
        insert(api, _early())
    stored = api.post(f"galleries/{GALLERY}/verify")
    report.check(
        stored["vectors"] >= len(_pool()) - LATE, "the gallery holds %d vectors", stored["vectors"]
    )


def _independent(api: Api, made: dict[str, Any], report: Report) -> None:
    report.title("2. Version 2, trained independently: better by itself, useless on old vectors")
    tell_development(report, made)
    upgrade = push(api, LINE, made)
    report.verdict(upgrade)
    report.row("(independent)", upgrade)
    found = measured(api, upgrade)
    for cell in ("map.old_old", "map.new_old", "map.new_new", "map.old_new"):
        report.say("%-12s %.4f %s", cell, found[cell]["value"], _interval(found[cell]))
    chance = found["map.new_new"]["value"] - found["map.new_new_minus_chance"]["value"]
    report.say("chance       %.4f", chance)
    report.check(upgrade["verdict"]["outcome"] == "failed", "the gate fails it")
    gap = found["map.new_new_minus_old_old"]
    report.check(gap["bounds"]["lower"]["0.95"] > 0, "by itself it is better than version 1")
    loss = found["map.new_old_minus_old_old"]
    report.check(loss["bounds"]["upper"]["0.95"] < 0, "on old vectors it is worse than version 1")
    near = found["map.new_old"]["value"] < chance + 0.2 * (found["map.old_old"]["value"] - chance)
    report.check(near, "on old vectors it is near chance")
    if upgrade["state"] == "judged":
        _refused(api, upgrade, report)
        api.post(f"upgrades/{upgrade['id']}/withdraw", reason="not compatible")


def _refused(api: Api, upgrade: dict[str, Any], report: Report) -> None:
    try:
        api.post(f"upgrades/{upgrade['id']}/promote")
    except ApiError as exc:
        report.check(exc.code == "gate_not_passed", "promoting it is refused: %s", exc.code)
    else:
        report.check(False, "promoting it must be refused")


def _compatible(api: Api, made: dict[str, Any], report: Report) -> None:
    report.title("3. Version 3, trained backward-compatible: promoted, nothing is re-embedded")
    tell_development(report, made)
    upgrade = push(api, LINE, made)
    if upgrade["state"] != "judged":
        upgrade = propose_again(api, LINE, upgrade)
    report.verdict(upgrade)
    report.row("(backward-compatible)", upgrade)
    report.check(upgrade["verdict"]["outcome"] == "passed", "the gate passes it")
    if upgrade["verdict"]["outcome"] != "passed":
        return
    before, answers = api.post(f"galleries/{GALLERY}/verify"), search(api, report, "version 1")
    took = _promote(api, upgrade, report)
    after = api.post(f"galleries/{GALLERY}/verify")
    report.check(
        before == after,
        "no stored vector changed: %d vectors, sha256 %s before and after",
        after["vectors"],
        after["sha256"][:16],
    )
    report.say("the promotion with its cutover took %.0f ms, as the client saw it", took * 1000)
    search(api, report, "version 3")
    _write_late(api, report)
    _roll_back(api, report, answers)


def _promote(api: Api, upgrade: dict[str, Any], report: Report) -> float:
    dry = api.post(f"upgrades/{upgrade['id']}/promote", dry_run=True)
    report.check(serving(api, LINE) == f"{LINE}:1", "a dry run moved nothing")
    started = time.perf_counter()
    done = api.post(f"upgrades/{upgrade['id']}/promote", reason="passed the gate")
    took = time.perf_counter() - started
    report.check(serving(api, LINE) == f"{LINE}:3", "production names %s:3", LINE)
    moved = [c["gallery"] for c in done["cutovers"]]
    report.check(
        moved == [GALLERY] == [c["gallery"] for c in dry["cutovers"]], "with it: %s", moved
    )
    live = api.get(f"galleries/{GALLERY}/live")
    report.check(live["encoder"] == f"{LINE}:3", "the gallery is searched with %s", live["encoder"])
    return took


def _write_late(api: Api, report: Report) -> None:
    late = _late()
    if not _holds(api, str(late.ids[0])):
        insert(api, late)
    hits = ask(api, late, 0)["hits"]
    report.check(hits[0]["id"] == late.ids[0], "an item written after the cutover is found")


def _holds(api: Api, item: str) -> bool:
    """Whether the gallery holds the item, written by an earlier run."""
    try:
        api.post(f"galleries/{GALLERY}/search", item_id=item, k=1)
    except ApiError as exc:
        if exc.code != "unknown_item":
            raise
        return False
    return True


def _roll_back(api: Api, report: Report, answers: list[list[str]]) -> None:
    path = f"models/{LINE}/aliases/production/rollback"
    plan = api.get(path, version=1)
    lost = plan["unsearchable_items"]
    report.say("rolling back to version 1 would make %d items unsearchable", lost)
    started = time.perf_counter()
    api.post(path, version=1, reason="part of the demo", confirm_unsearchable=lost)
    report.say("rolled back in %.0f ms", (time.perf_counter() - started) * 1000)
    report.check(serving(api, LINE) == f"{LINE}:1", "production names %s:1 again", LINE)
    again = search(api, report, "version 1 again")
    late = set(_late().ids.tolist())
    same = all(_agree(before, after, late) for before, after in zip(answers, again, strict=True))
    report.check(same, "on the vectors that it made, version 1 answers as before")


def _agree(before: list[str], after: list[str], late: set[str]) -> bool:
    """Whether two answers give the same items in the same order, new items aside."""
    old = [i for i in before if i not in late]
    new = [i for i in after if i not in late]
    shorter = min(len(old), len(new))
    return old[:shorter] == new[:shorter]


def insert(api: Api, images: data.Images) -> None:
    """Upload images as items of the gallery and wait until they are there.

    Raises:
        ApiError: the batch was refused.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "items.npz"
        np.savez(file, id=images.ids, input=images.pixels)
        batch = api.upload(f"galleries/{GALLERY}/items", file)
    path = f"galleries/{GALLERY}/batches/{batch['id']}"
    done = api.wait(path, lambda b: b["work_state"] in {"done", "failed"})
    if done["work_state"] == "failed":
        raise ApiError(409, done["error"]["code"], done["error"]["detail"])


def search(api: Api, report: Report, who: str) -> list[list[str]]:
    """Search with judged images and print how often the first hit is right."""
    queries = data.digits_judged()
    rows = np.linspace(0, len(queries) - 1, QUERIES).astype(int)
    pool = _pool()
    label_of = dict(zip(pool.ids.tolist(), pool.labels.tolist(), strict=True))
    answers, right = [], 0
    for row in rows:
        hits = ask(api, queries, int(row))["hits"]
        answers.append([hit["id"] for hit in hits])
        right += label_of[hits[0]["id"]] == queries.labels[row]
    report.say("searched with %s: the first hit is right for %d of %d", who, right, len(rows))
    return answers


def ask(api: Api, images: data.Images, row: int) -> dict[str, Any]:
    """Search the gallery with one image."""
    pixels = images.pixels[row].tolist()
    return api.post(f"galleries/{GALLERY}/search", input=pixels, k=NEIGHBOURS)


def _pool() -> data.Images:
    """Every digit that is not judged; the first few are kept for after the cutover."""
    parts = data.digits_pool()
    whole = [parts.train_new, parts.development]
    return data.Images(
        np.concatenate([p.ids for p in whole]),
        np.concatenate([p.pixels for p in whole]),
        np.concatenate([p.labels for p in whole]),
    )


def _early() -> data.Images:
    return _pool().take(np.arange(LATE, len(_pool())))


def _late() -> data.Images:
    return _pool().take(np.arange(LATE))


def _interval(found: dict[str, Any]) -> str:
    lower, upper = found["bounds"].get("lower", {}), found["bounds"].get("upper", {})
    if "0.95" not in lower:
        return ""
    return f"[{lower['0.95']:.4f}, {upper['0.95']:.4f}] on {found['support']} queries"
