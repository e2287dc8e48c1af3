"""Addresses of the pages."""

from django.contrib.auth.views import LoginView, LogoutView
from django.urls import path

from registry.web.pages import (
    aliases,
    checks,
    decisions,
    evaluation_sets,
    flips,
    galleries,
    home,
    ledger,
    models,
    policies,
    rivals,
    tokens,
    upgrades,
    versions,
    webhooks,
)

ALIAS = "models/<slug:name>/aliases/<slug:alias>/"
VERSION = "models/<slug:name>/versions/<int:number>/"
SET = "evaluation-sets/<slug:name>/"
UPGRADE = "upgrades/<int:upgrade_id>/"
GALLERY = "galleries/<slug:name>/"
WEBHOOK = "webhooks/<int:webhook_id>/"

urlpatterns = [
    path("login/", LoginView.as_view(template_name="accounts/login.html"), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("", home.home, name="home"),
    path("models/", models.index, name="models"),
    path("new/model/", models.create, name="model_create"),
    path("models/<slug:name>/", models.detail, name="model"),
    path("models/<slug:name>/upload/", versions.upload, name="candidate_upload"),
    path(VERSION, versions.detail, name="version"),
    path(VERSION + "propose/", aliases.propose_version, name="version_propose"),
    path(VERSION + "recordings/", versions.record, name="recording_upload"),
    path("outputs/<int:outputs_id>/retry/", versions.retry_outputs, name="outputs_retry"),
    path(ALIAS, aliases.detail, name="alias"),
    path(ALIAS + "policy/", aliases.change_policy, name="alias_policy"),
    path(ALIAS + "approvals/", aliases.change_approvals, name="alias_approvals"),
    path(ALIAS + "pins/", aliases.pin, name="alias_pin"),
    path(ALIAS + "pins/<int:pin_id>/remove/", aliases.unpin, name="alias_unpin"),
    path(ALIAS + "roll-back/", aliases.go_back, name="alias_roll_back"),
    path("evaluation-sets/", evaluation_sets.index, name="evaluation_sets"),
    path("new/evaluation-set/", evaluation_sets.upload, name="evaluation_set_upload"),
    path(SET, evaluation_sets.detail, name="evaluation_set"),
    path(SET + "<int:number>/", evaluation_sets.revision, name="evaluation_set_revision"),
    path("policies/", policies.index, name="policies"),
    path("policies/<slug:name>/<int:number>/", policies.revision, name="policy_revision"),
    path("upgrades/", upgrades.index, name="upgrades"),
    path(UPGRADE, upgrades.detail, name="upgrade"),
    path(UPGRADE + "promote/", upgrades.promotion, name="upgrade_promote"),
    path(UPGRADE + "withdraw/", upgrades.withdrawal, name="upgrade_withdraw"),
    path(UPGRADE + "decision/", decisions.decide, name="upgrade_decide"),
    path(UPGRADE + "waivers/", decisions.ask_waiver, name="waiver_request"),
    path(UPGRADE + "evaluate-again/", decisions.again, name="upgrade_evaluate_again"),
    path("waivers/<int:waiver_id>/grant/", decisions.give_waiver, name="waiver_grant"),
    path(UPGRADE + "flips/<int:comparison_id>/", flips.browse, name="flips"),
    path(UPGRADE + "against/", rivals.choose, name="rival_choose"),
    path(UPGRADE + "against/<int:other_id>/", rivals.compare, name="rivals"),
    path("comparisons/<int:comparison_id>/flips/<int:row>.png", flips.picture, name="flip_picture"),
    path("checks/", checks.index, name="checks"),
    path("checks/new/", checks.create, name="check_create"),
    path("checks/<int:check_id>/", checks.detail, name="check"),
    path("checks/<int:check_id>/flips/", checks.flips, name="check_flips"),
    path("galleries/", galleries.index, name="galleries"),
    path("new/gallery/", galleries.create, name="gallery_create"),
    path(GALLERY, galleries.detail, name="gallery"),
    path(GALLERY + "search/", galleries.search, name="gallery_search"),
    path(GALLERY + "items/", galleries.add_items, name="gallery_items"),
    path("ledger/", ledger.index, name="ledger"),
    path("ledger/<int:seq>/", ledger.entry, name="ledger_entry"),
    path("ledger/verify/", ledger.verify, name="ledger_verify"),
    path("ledger/export/", ledger.download, name="ledger_export"),
    path("webhooks/", webhooks.index, name="webhooks"),
    path("new/webhook/", webhooks.create, name="webhook_create"),
    path(WEBHOOK, webhooks.detail, name="webhook"),
    path(WEBHOOK + "secret/", webhooks.rotate, name="webhook_rotate"),
    path(WEBHOOK + "ping/", webhooks.send_test, name="webhook_ping"),
    path(WEBHOOK + "deactivate/", webhooks.switch_off, name="webhook_deactivate"),
    path(WEBHOOK + "activate/", webhooks.switch_on, name="webhook_activate"),
    path(
        WEBHOOK + "deliveries/<int:delivery_id>/redeliver/",
        webhooks.send_again,
        name="webhook_redeliver",
    ),
    path("tokens/", tokens.index, name="tokens"),
    path("tokens/<int:token_id>/revoke/", tokens.revoke, name="token_revoke"),
]
