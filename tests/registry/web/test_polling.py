"""Pages that wait poll their own address, and stop at a final state."""

import pytest

from registry.core import leases
from registry.galleries.services.insert import submit_inputs
from tests.builders import canaries
from tests.builders import checks as build
from tests.builders import registry as make
from tests.registry.web.conftest import HTMX


def an_evaluating_upgrade():
    upgrade = make.an_upgrade()
    make.a_pin(upgrade.alias)
    make.advance(upgrade_id=upgrade.pk)
    return f"/upgrades/{upgrade.pk}/"


def an_inspecting_version():
    version = make.a_version(state="inspecting")
    return f"/models/{version.model.name}/versions/1/"


def an_inspecting_set():
    return f"/evaluation-sets/{make.a_set_revision(state='inspecting').evaluation_set}/1/"


def a_gallery_at_work():
    gallery = make.a_gallery()
    upload = make.an_artifact(kind=make.Upload.TABLE)
    submit_inputs(gallery=gallery, upload=upload, actor=gallery.created_by)
    return f"/galleries/{gallery}/"


def a_queued_check():
    return f"/checks/{build.a_check().pk}/"


def a_judged_check():
    return f"/checks/{build.a_judged_check().pk}/"


def a_failed_check():
    return f"/checks/{build.a_failed_check().pk}/"


def a_judged_upgrade():
    return f"/upgrades/{make.a_judged_upgrade().pk}/"


def a_ready_version():
    return f"/models/{make.a_version().model.name}/versions/1/"


def a_ready_set():
    return f"/evaluation-sets/{make.a_set_revision().evaluation_set}/1/"


def a_quiet_gallery():
    return f"/galleries/{make.a_gallery(items=2)}/"


def a_gallery_to_be_checked():
    return f"/galleries/{canaries.with_canaries()}/canaries/"


def a_checked_gallery():
    gallery = canaries.with_canaries()
    canaries.check(gallery)
    return f"/galleries/{gallery}/canaries/"


AT_WORK = [
    an_evaluating_upgrade,
    an_inspecting_version,
    an_inspecting_set,
    a_gallery_at_work,
    a_queued_check,
    a_gallery_to_be_checked,
]
FINAL = [
    a_judged_upgrade,
    a_ready_version,
    a_ready_set,
    a_quiet_gallery,
    a_judged_check,
    a_failed_check,
    a_checked_gallery,
]


@pytest.mark.parametrize("build", AT_WORK)
def test_a_page_that_waits_polls_and_reloads_without_javascript(pages, build):
    path = build()

    body = pages.get(path).content.decode()

    assert f'hx-get="{path}" hx-trigger="every 2s"' in body
    assert '<noscript><meta http-equiv="refresh"' in body


@pytest.mark.parametrize("build", AT_WORK)
def test_a_poll_gets_the_fragment_alone_and_goes_on(pages, build):
    response = pages.get(build(), headers=HTMX)

    assert response.status_code == 200
    assert b"<html" not in response.content
    assert b'hx-trigger="every 2s"' in response.content
    assert "HX-Request" in response.headers["Vary"]


@pytest.mark.parametrize("build", FINAL)
def test_a_poll_that_finds_the_end_stops_and_loads_the_page_again(pages, build):
    response = pages.get(build(), headers=HTMX)

    assert response.status_code == 286
    assert response.headers["HX-Refresh"] == "true"
    assert b"hx-trigger" not in response.content


@pytest.mark.parametrize("build", FINAL)
def test_a_final_page_does_not_poll(pages, build):
    body = pages.get(build()).content

    assert b"every 2s" not in body
    assert b'http-equiv="refresh"' not in body


def test_going_back_in_the_browser_gets_the_whole_page(pages):
    response = pages.get(a_judged_upgrade(), headers=HTMX | {"HX-History-Restore-Request": "true"})

    assert b"<html" in response.content


def test_progress_is_shown_in_numbers(pages):
    path = an_evaluating_upgrade()
    outputs = make.Outputs.objects.get()
    claim = leases.claim(make.Outputs, outputs.pk)
    leases.extend(make.Outputs, claim, 640, 1000)

    body = pages.get(path, headers=HTMX).content.decode()

    assert '<progress class="progress-thin" max="1000" value="640"' in body
    assert "640 of 1,000" in body
