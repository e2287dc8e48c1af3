"""One person's walk through the pages on real processes, from the upload to the roll back."""

import json

import pytest

from tests.browser import watched_page
from tests.builders import toy
from tests.installations import start_search, start_worker, web

PATIENCE_MS = 120_000


class Walk:
    """What the person does, page by page."""

    def __init__(self, page, url, folder):
        self.page, self.url, self.folder = page, url, folder
        page.set_default_timeout(30_000)

    def open(self, path):
        self.page.goto(self.url + path)

    def file(self, data, name):
        path = self.folder / name
        path.write_bytes(data)
        return str(path)

    def log_in(self, name, password):
        self.open("/login/")
        self.page.fill("[name=username]", name)
        self.page.fill("[name=password]", password)
        self.page.click("button[type=submit]")
        self.page.get_by_role("heading", name="Home").wait_for()

    def see(self, text):
        self.page.locator("main").get_by_text(text, exact=True).first.wait_for(timeout=PATIENCE_MS)

    def create_model(self):
        self.open("/new/model/")
        self.page.fill("[name=name]", "line")
        self.page.select_option("[name=task]", "embedding")
        self.page.get_by_role("button", name="Register").click()
        self.page.get_by_role("heading", name="line").wait_for()

    def upload_set(self):
        self.open("/new/evaluation-set/")
        self.page.fill("[name=name]", "judged")
        self.page.select_option("[name=task]", "embedding")
        self.page.set_input_files("[name=file]", self.file(toy.an_evaluation_set(), "set.npz"))
        self.page.locator("form#upload button[type=submit]").click()
        self.see("ready")

    def pin(self):
        self.open("/models/line/aliases/production/")
        self.page.select_option("[name=pin-revision]", label="judged:1")
        self.page.get_by_role("button", name="Pin").click()
        self.page.get_by_role("link", name="judged:1").wait_for()

    def upload_candidate(self, kind):
        graph, manifest = toy.encoder(kind)
        self.open("/models/line/upload/")
        self.page.set_input_files("[name=file]", self.file(graph, f"{kind}.onnx"))
        self.page.fill("[name=manifest]", json.dumps(manifest))
        self.page.locator("form#upload button[type=submit]").click()
        self.page.get_by_role("heading", name="Upgrade").wait_for(timeout=PATIENCE_MS)

    def promote(self):
        self.see("passed")
        self.page.get_by_role("link", name="Promote").first.click()
        self.page.get_by_role("button", name="Promote").click()
        self.see("serving")

    def fill_gallery(self):
        self.open("/new/gallery/")
        self.page.fill("[name=name]", "items")
        self.page.locator("[name=alias]").select_option(label="line@production")
        self.page.get_by_role("button", name="Create").click()
        self.page.set_input_files("[name=file] >> nth=-1", self.file(toy.items(40), "items.npz"))
        self.page.get_by_role("button", name="Upload items").click()
        self.see("done")

    def search(self, item):
        self.open("/galleries/items/")
        self.page.fill("[name=item_id]", item)
        self.page.get_by_role("button", name="Search").click()
        self.page.locator("#hits").get_by_text("item-").first.wait_for()

    def live_encoder(self):
        self.open("/galleries/items/")
        return self.page.locator("main").get_by_role("link", name="line:").first.inner_text()

    def roll_back(self):
        self.open("/models/line/aliases/production/roll-back/?to=1")
        self.page.fill("[name=reason]", "part of the walk")
        self.page.get_by_role("button", name="Roll back").click()
        self.page.get_by_role("heading", name="production").wait_for()


@pytest.mark.browser
@pytest.mark.process
def test_a_candidate_is_uploaded_judged_promoted_searched_and_rolled_back(
    processes, full, browser, tmp_path
):
    with web(processes, full), watched_page(browser, full.url) as page:
        start_worker(processes, full)
        start_search(processes, full)
        account = json.loads(full.manage("open_account", "ann", "--json"))
        walk = Walk(page, full.url, tmp_path)

        walk.log_in("ann", account["password"])
        walk.create_model()
        walk.upload_set()
        walk.upload_candidate("old")
        walk.pin()
        walk.open("/upgrades/1/")
        walk.promote()
        walk.fill_gallery()
        walk.search("item-0003")
        walk.upload_candidate("compatible")
        walk.promote()
        assert walk.live_encoder() == "line:2"
        walk.search("item-0003")
        walk.roll_back()
        assert walk.live_encoder() == "line:1"
        walk.search("item-0003")
        walk.open("/ledger/")
        walk.page.get_by_role("button", name="Verify the chain").click()
        page.get_by_text("Verified").wait_for()
