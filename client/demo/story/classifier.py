"""The classification line: fewer errors with too many flips stay out, a distilled model gets in."""

from typing import Any

from client.demo.story.api import Api
from client.demo.story.lines import measured, open_line, push, serving, tell_development
from client.demo.story.report import Report

LINE = "digits-classifier"
SHOWN = 8


def tell(api: Api, made: dict[str, Any], report: Report) -> None:
    """Step 4 of the demo."""
    line = made["models"][LINE]
    versions = {v["number"]: v for v in line["versions"]}
    judged_set = made["sets"][line["set"]]
    report.title("4. %s: fewer errors are not enough", LINE)
    open_line(api, LINE, "classification", line["set"], judged_set["path"])
    _first_version(api, versions[1], report)
    _plain(api, versions[2], report)
    _distilled(api, versions[3], report)


def _first_version(api: Api, made: dict[str, Any], report: Report) -> None:
    tell_development(report, made)
    upgrade = push(api, LINE, made)
    report.verdict(upgrade)
    report.row("(first version)", upgrade)
    if upgrade["state"] == "judged" and serving(api, LINE) is None:
        api.post(f"upgrades/{upgrade['id']}/promote", reason="first version of the line")
    report.check(serving(api, LINE) is not None, "production names %s", serving(api, LINE))


def _plain(api: Api, made: dict[str, Any], report: Report) -> None:
    tell_development(report, made)
    upgrade = push(api, LINE, made)
    report.verdict(upgrade)
    report.row("(retrained)", upgrade)
    found = measured(api, upgrade)
    _tell_flips(report, found)
    report.check(
        upgrade["verdict"]["outcome"] in {"failed", "inconclusive"},
        "the gate does not pass it: %s",
        upgrade["verdict"]["outcome"],
    )
    gain = found["accuracy.new_minus_old"]
    report.check(gain["bounds"]["lower"]["0.95"] > 0, "although it makes fewer errors")
    _tell_examples(api, upgrade, report)
    if upgrade["state"] == "judged":
        api.post(f"upgrades/{upgrade['id']}/withdraw", reason="too many negative flips")


def _tell_examples(api: Api, upgrade: dict[str, Any], report: Report) -> None:
    comparison = upgrade["verdict"]["comparisons"][0]
    flips = api.get(f"comparisons/{comparison}/flips", page_size=SHOWN)["results"]
    for flip in flips:
        report.say(
            "flipped: %s is %s, was %s, now %s", flip["id"], flip["label"], flip["old"], flip["new"]
        )
    shown = bool(flips) and all(flip["has_image"] for flip in flips)
    report.check(shown, "each flipped example has its image on the page of the upgrade")


def _distilled(api: Api, made: dict[str, Any], report: Report) -> None:
    tell_development(report, made)
    upgrade = push(api, LINE, made)
    report.verdict(upgrade)
    report.row("(focal distillation)", upgrade)
    found = measured(api, upgrade)
    _tell_flips(report, found)
    report.check(upgrade["verdict"]["outcome"] == "passed", "the gate passes it")
    gain = found["accuracy.new_minus_old"]
    report.check(gain["bounds"]["lower"]["0.95"] > 0, "its error is clearly below the old one's")
    if upgrade["state"] == "judged" and upgrade["verdict"]["outcome"] == "passed":
        api.post(f"upgrades/{upgrade['id']}/promote", reason="passed the gate")
    report.check(serving(api, LINE) == f"{LINE}:{_number(upgrade)}", "production names it")


def _tell_flips(report: Report, found: dict[str, Any]) -> None:
    error = {side: 1 - found[f"accuracy.{side}"]["value"] for side in ("old", "new")}
    report.say(
        "error %.2f %% -> %.2f %%, negative flips %.2f %%, positive flips %.2f %%",
        100 * error["old"],
        100 * error["new"],
        100 * found["nfr"]["value"],
        100 * found["pfr"]["value"],
    )


def _number(upgrade: dict[str, Any]) -> str:
    return upgrade["candidate"].rpartition(":")[2]
