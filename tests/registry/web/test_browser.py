"""Pages in a real browser; every test also fails on an error of the console."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.test import Client
from PIL import Image
from playwright.sync_api import Page, expect

from compat.verdict import Outcome
from registry.catalog.models import ModelVersion
from registry.upgrades.models import Check
from tests import browser as browsers
from tests.builders import checks
from tests.builders import registry as make

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PHONE = {"width": 390, "height": 844}


@pytest.fixture
def cookie(live_server) -> dict[str, str]:
    """The session of ada, who may see everything."""
    client = Client()
    client.force_login(make.a_user("ada"))
    return {
        "name": "sessionid",
        "value": client.cookies["sessionid"].value,
        "url": live_server.url,
    }


@pytest.fixture
def seen(page: Page, cookie) -> Page:
    """A browser in which ada is logged in."""
    page.context.add_cookies([cookie])
    return page


@pytest.fixture
def bare(browser: browsers.Browser, live_server, cookie) -> Iterator[Page]:
    """A telephone on which no script runs."""
    context = browser.new_context(
        base_url=live_server.url, viewport=PHONE, java_script_enabled=False
    )
    context.add_cookies([cookie])
    yield context.new_page()
    context.close()


def assert_nothing_is_cut_off(page: Page) -> None:
    width = page.viewport_size["width"]
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_what_only_an_attached_gallery_has_is_asked_when_it_is_chosen(seen: Page):
    make.a_promoted_upgrade(make.an_alias(make.a_model("m", task="embedding")))
    seen.goto("/new/gallery/")
    expect(seen.get_by_label("Where the index is")).to_be_hidden()

    seen.get_by_label("Name").fill("abroad")
    seen.get_by_label("In an index of another team").check()
    seen.get_by_label("Where the index is").fill("opensearch://search-eu/faces")
    seen.get_by_label("Version 1").fill("m:1")
    seen.get_by_label("Items 1").fill("12000")
    seen.get_by_role("button", name="Create").click()

    expect(seen.get_by_text("Items, as declared")).to_be_visible()
    expect(seen.get_by_text("opensearch://search-eu/faces")).to_be_visible()


def test_logging_in_and_out(page: Page):
    user = make.a_user("ada")
    user.set_password("a long password 1843")
    user.save()

    page.goto("/ledger/")
    page.get_by_label("Username").fill("ada")
    page.get_by_label("Password").fill("a long password 1843")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Ledger")).to_be_visible()
    page.get_by_role("button", name="Log out").click()

    expect(page.get_by_role("button", name="Log in")).to_be_visible()


@pytest.mark.parametrize("size", [{"width": 1400, "height": 900}, PHONE], ids=["desk", "phone"])
def test_pages_of_models_fit_their_screen(seen: Page, size):
    alias = make.a_promoted_upgrade(make.an_alias(make.a_model("m"))).alias
    upgrade = make.a_judged_upgrade(alias, outcome=Outcome.FAILED)
    seen.set_viewport_size(size)

    for path in (
        *("/", "/models/", "/models/m/", "/models/m/versions/1/", "/models/m/upload/"),
        *("/models/m/aliases/production/", "/upgrades/", f"/upgrades/{upgrade.pk}/"),
        *("/policies/", "/evaluation-sets/", "/new/evaluation-set/", "/tokens/", "/ledger/"),
    ):
        seen.goto(path)
        assert_nothing_is_cut_off(seen)


def test_a_candidate_is_uploaded_and_its_inspection_followed(seen: Page, tmp_path: Path):
    make.a_model("m")
    file = tmp_path / "model.onnx"
    file.write_bytes(make.model_bytes())

    seen.goto("/models/m/upload/")
    seen.get_by_label("ONNX file").set_input_files(file)
    seen.get_by_role("button", name="Upload the candidate").click()
    expect(seen.locator("#progress")).to_contain_text("inspecting")
    version = ModelVersion.objects.get()
    job = make.inspection.claim(version_id=version.pk)
    make.inspection.refuse(job=job, code="invalid_graph", detail="the graph does not parse")
    make.advance(upgrade_id=version.upgrades.get().pk)

    expect(seen.locator("#progress")).to_contain_text("the graph does not parse")
    assert seen.locator("[hx-trigger]").count() == 0


def test_a_wrong_upload_is_told_in_place(seen: Page, tmp_path: Path):
    make.a_model("m")
    file = tmp_path / "model.onnx"
    file.write_bytes(b"\x80\x04 a pickle")

    seen.goto("/models/m/upload/")
    seen.get_by_label("ONNX file").set_input_files(file)
    seen.get_by_role("button", name="Upload the candidate").click()

    expect(seen.locator("#upload")).to_contain_text("wrong_file_type")


def test_a_passed_candidate_is_promoted_and_rolled_back(seen: Page):
    alias = make.a_promoted_upgrade(make.an_alias(make.a_model("m"))).alias
    upgrade = make.a_judged_upgrade(alias)

    seen.goto(f"/upgrades/{upgrade.pk}/")
    seen.get_by_role("link", name="Promote …").click()
    seen.get_by_label("Reason").fill("fewer errors")
    seen.get_by_role("button", name="Promote m:2").click()
    expect(seen.locator("#messages")).to_contain_text("m@production names m:2.")
    seen.get_by_role("link", name="Roll back …").click()
    seen.get_by_role("link", name="Choose").click()
    seen.get_by_label("Reason").fill("complaints")
    seen.get_by_role("button", name="Roll back to m:1").click()

    expect(seen.locator("#messages")).to_contain_text("m@production names m:1 again.")


def test_a_verdict_appears_by_itself(seen: Page):
    upgrade = make.an_upgrade()
    make.a_pin(upgrade.alias)
    make.advance(upgrade_id=upgrade.pk)

    seen.goto(f"/upgrades/{upgrade.pk}/")
    expect(seen.locator("#progress")).to_contain_text("evaluating")
    make.judge(upgrade)

    expect(seen.get_by_role("link", name="Promote …")).to_be_visible()


def test_outputs_are_checked_and_the_outcome_appears_by_itself(seen: Page, tmp_path: Path):
    alias = make.a_promoted_upgrade().alias
    make.compute_outputs()
    file = tmp_path / "outputs.npz"
    file.write_bytes(make.table_bytes())

    seen.goto("/")
    seen.get_by_role("link", name="Checks").click()
    seen.get_by_role("link", name="Check outputs").first.click()
    seen.get_by_label("NPZ or Parquet file").set_input_files(file)
    seen.get_by_role("button", name="Check them").click()
    expect(seen.locator("#state")).to_contain_text("It waits for a worker")
    checks.judge(Check.objects.get(alias=alias))

    expect(seen.locator("#state")).to_contain_text("Every blocking rule holds")
    expect(seen.locator("#rules")).to_contain_text("negative flips")
    assert_nothing_is_cut_off(seen)


@pytest.mark.parametrize("size", [PHONE, {"width": 1280, "height": 900}])
def test_two_candidates_are_held_against_each_other(seen: Page, size):
    alias = make.a_promoted_upgrade().alias
    first, second = make.a_judged_upgrade(alias), make.a_judged_upgrade(alias)
    seen.set_viewport_size(size)

    seen.goto(f"/upgrades/{first.pk}/")
    seen.get_by_role("button", name="Compare").click()

    expect(seen.get_by_role("heading", name="Which one breaks whom")).to_be_visible()
    expect(seen).to_have_url(re.compile(f"/upgrades/{first.pk}/against/{second.pk}/$"))
    assert_nothing_is_cut_off(seen)


def test_flips_show_their_pictures(seen: Page):
    upgrade = make.a_judged_upgrade(make.a_promoted_upgrade().alias)

    seen.goto(f"/upgrades/{upgrade.pk}/")
    seen.get_by_role("link", name="browse all").click()

    picture = seen.locator(".flip img").first
    expect(picture).to_be_visible()
    assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") == 1


RESCALE = {"do_rescale": True, "rescale_factor": 0.5}
RESIZE = {"do_resize": True, "size": {"height": 2, "width": 3}, "resample": 2}


def a_gallery_that_takes(shape, preprocessing=None):
    """Open a gallery whose live encoder has this input."""
    gallery = make.a_gallery(name="g")
    encoder = ModelVersion.objects.filter(pk=gallery.live_view.encoder_id)
    manifest = encoder.get().manifest
    manifest["input"]["shape"] = shape
    encoder.update(manifest=manifest | ({"preprocessing": preprocessing} if preprocessing else {}))


def shape_of(numbers):
    return [len(numbers), *shape_of(numbers[0])] if isinstance(numbers, list) else []


@pytest.mark.parametrize(
    ("shape", "preprocessing", "sent"),
    [
        ([1, 2, 3], None, [1, 2, 3]),
        ([2, 3], None, [2, 3]),
        ([3, 2, 3], None, [3, 2, 3]),
        ([1, 2, 3], RESCALE, [2, 3]),
        ([3, 2, 3], RESCALE, [2, 3, 3]),
        ([3, 2, 3], RESCALE | RESIZE, [20, 30, 3]),
    ],
)
def test_an_image_becomes_numbers_in_the_browser(
    seen: Page, tmp_path: Path, shape, preprocessing, sent
):
    a_gallery_that_takes(shape, preprocessing)
    picture = tmp_path / "picture.png"
    Image.new("RGB", (30, 20), (0, 255, 0)).save(picture)

    seen.goto("/galleries/g/")
    seen.get_by_label("or like an image").set_input_files(picture)
    box = seen.locator("textarea[name=input]")
    expect(box).not_to_have_value("")

    assert shape_of(json.loads(box.input_value())) == sent


def test_grey_is_the_luminance(seen: Page, tmp_path: Path):
    a_gallery_that_takes([2, 3])
    picture = tmp_path / "picture.png"
    Image.new("RGB", (30, 20), (0, 255, 0)).save(picture)

    seen.goto("/galleries/g/")
    seen.get_by_label("or like an image").set_input_files(picture)

    expect(seen.locator("textarea[name=input]")).to_have_value("[[150,150,150],[150,150,150]]")


def test_a_file_that_is_no_image_is_told(seen: Page, tmp_path: Path):
    a_gallery_that_takes([3, 8, 8])
    file = tmp_path / "picture.png"
    file.write_bytes(b"no picture")

    seen.goto("/galleries/g/")
    seen.get_by_label("or like an image").set_input_files(file)

    expect(seen.locator("#messages")).to_contain_text("cannot read this image")


def test_the_chain_is_verified_and_a_token_issued(seen: Page):
    make.a_promoted_upgrade()

    seen.goto("/ledger/")
    seen.get_by_role("button", name="Verify the chain").click()
    expect(seen.locator("#messages")).to_contain_text("Verified")
    seen.goto("/tokens/")
    seen.get_by_label("Name").fill("pipeline")
    seen.get_by_role("button", name="Issue").click()

    expect(seen.locator(".secret")).to_contain_text("grt_")


def test_without_a_script_everything_is_reached(bare: Page):
    bare.goto("/")
    bare.locator(".side-button").click()
    bare.get_by_role("navigation").get_by_role("link", name="Models").click()
    bare.get_by_role("link", name="Register a model").first.click()
    bare.get_by_label("Name").fill("m")
    bare.get_by_role("button", name="Register").click()

    expect(bare.get_by_role("heading", name="m", exact=True)).to_be_visible()


def test_without_a_script_a_candidate_is_uploaded(bare: Page, tmp_path: Path):
    make.a_model("m")
    file = tmp_path / "model.onnx"
    file.write_bytes(make.model_bytes())

    bare.goto("/models/m/upload/")
    bare.get_by_label("ONNX file").set_input_files(file)
    bare.get_by_role("button", name="Upload the candidate").click()

    expect(bare.locator("#progress")).to_contain_text("inspecting")
    assert bare.locator('meta[http-equiv="refresh"]').count() == 1


def test_on_a_phone_each_cell_of_a_table_goes_by_the_name_of_its_column(seen: Page):
    gallery = make.a_gallery(items=1203)
    seen.set_viewport_size({"width": 390, "height": 844})

    seen.goto(f"/galleries/{gallery.name}/")

    items = seen.locator("#segments td[data-column=Items]")
    expect(items).to_have_text("1,203")
    told = "(cell) => getComputedStyle(cell, '::before').content"
    assert items.evaluate(told) == '"Items"'
    wide = "() => [...document.querySelectorAll('.table-responsive')]"
    assert not seen.evaluate(wide + ".some((box) => box.scrollWidth > box.clientWidth)")
