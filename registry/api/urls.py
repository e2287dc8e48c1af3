"""Addresses of the API."""

from django.urls import path, re_path

from registry.api import (
    adapters,
    alerts,
    aliases,
    backfills,
    canaries,
    comparisons,
    compatibility,
    consumers,
    decisions,
    documents,
    evaluation_sets,
    events,
    galleries,
    gates,
    items,
    ledger,
    moves,
    openapi,  # noqa: F401  registers itself with the generator
    policies,
    policy_scopes,
    previews,
    probation,
    registered_models,
    safeguards,
    schedules,
    search,
    segments,
    shadows,
    tokens,
    upgrades,
    upload_sessions,
    versions,
    waivers,
    webhooks,
)
from registry.api.endpoint import endpoint

app_name = "api"

MODEL = "models/<slug:model>"
VERSION = f"{MODEL}/versions/<int:number>"
ALIAS = f"{MODEL}/aliases/<slug:alias>"
SET = "evaluation-sets/<slug:evaluation_set>"
COMPARISON = "comparisons/<int:comparison>"
UPGRADE = "upgrades/<int:upgrade>"
GALLERY = "galleries/<slug:gallery>"
WEBHOOK = "webhooks/<int:webhook>"
DELIVERY = f"{WEBHOOK}/deliveries/<int:delivery>"

urlpatterns = [
    path("models", endpoint(get=registered_models.list_models, post=registered_models.register)),
    path(MODEL, endpoint(get=registered_models.read_model)),
    path(f"{MODEL}/group", endpoint(put=registered_models.choose_group)),
    path(
        f"{MODEL}/policy",
        endpoint(
            put=policy_scopes.set_policy_for_model, delete=policy_scopes.unset_policy_for_model
        ),
    ),
    path(
        f"{MODEL}/versions",
        endpoint(get=versions.list_versions, post=versions.upload_version),
    ),
    path(VERSION, endpoint(get=versions.read_version)),
    path(f"{VERSION}/artifact", endpoint(get=versions.download_artifact)),
    path(f"{VERSION}/parents", endpoint(post=versions.declare_parent)),
    path(f"{VERSION}/recordings", endpoint(post=versions.upload_outputs)),
    path(f"{VERSION}/outputs", endpoint(get=versions.list_outputs)),
    path(
        f"{VERSION}/outputs/<slug:evaluation_set>:<int:revision>/retry",
        endpoint(post=versions.retry_outputs),
    ),
    path(f"{MODEL}/aliases", endpoint(get=aliases.list_aliases, post=aliases.open_alias)),
    path(ALIAS, endpoint(get=aliases.read_alias)),
    path(f"{ALIAS}/history", endpoint(get=moves.list_alias_moves)),
    path(f"{ALIAS}/gate", endpoint(get=gates.read_gate)),
    path(
        f"{ALIAS}/policy",
        endpoint(put=gates.choose_policy, delete=policy_scopes.unset_policy_for_alias),
    ),
    path(f"{ALIAS}/effective-policy", endpoint(get=policy_scopes.read_effective_policy)),
    path(f"{ALIAS}/pins", endpoint(post=gates.pin_evaluation_set)),
    path(
        f"{ALIAS}/pins/<slug:evaluation_set>",
        endpoint(delete=gates.unpin_evaluation_set),
    ),
    path(f"{ALIAS}/promote", endpoint(post=moves.promote_alias)),
    path(
        f"{ALIAS}/rollback",
        endpoint(get=moves.read_rollback_plan, post=moves.roll_back_alias),
    ),
    path("resolve", endpoint(get=versions.resolve_reference)),
    path(
        "evaluation-sets",
        endpoint(get=evaluation_sets.list_evaluation_sets, post=evaluation_sets.upload_revision),
    ),
    path(SET, endpoint(get=evaluation_sets.read_evaluation_set)),
    path(f"{SET}/revisions/<int:revision>", endpoint(get=evaluation_sets.read_revision)),
    path(COMPARISON, endpoint(get=comparisons.read_comparison)),
    path(f"{COMPARISON}/flips", endpoint(get=comparisons.list_flips)),
    path(f"{COMPARISON}/flips/<int:row>/image", endpoint(get=comparisons.read_flip_image)),
    path("policies", endpoint(get=policies.list_policies, post=policies.add_policy)),
    path("policies/verify", endpoint(post=policies.verify_policy)),
    path("policies/defaults", endpoint(get=policies.read_default_policies)),
    path(
        "policies/<slug:policy>/revisions/<int:revision>",
        endpoint(get=policies.read_policy_revision),
    ),
    path("policies/schema", endpoint(get=policies.read_policy_schema), name="policy_schema"),
    path("policies/choices", endpoint(get=policy_scopes.list_policy_choices)),
    path(
        "policies/everything/<slug:task>",
        endpoint(
            put=policy_scopes.set_policy_for_everything,
            delete=policy_scopes.unset_policy_for_everything,
        ),
    ),
    path(
        "policies/groups/<slug:task>/<slug:group>",
        endpoint(
            put=policy_scopes.set_policy_for_group, delete=policy_scopes.unset_policy_for_group
        ),
    ),
    path("upgrades", endpoint(get=upgrades.list_upgrades, post=upgrades.open_upgrade)),
    path(UPGRADE, endpoint(get=upgrades.read_upgrade)),
    path(f"{UPGRADE}/promote", endpoint(post=upgrades.promote_upgrade)),
    path(f"{UPGRADE}/withdraw", endpoint(post=upgrades.withdraw_upgrade)),
    path(f"{UPGRADE}/supersede", endpoint(post=upgrades.supersede_upgrade)),
    path("galleries", endpoint(get=galleries.list_galleries, post=galleries.open_gallery)),
    path(GALLERY, endpoint(get=galleries.read_gallery)),
    path(f"{GALLERY}/live", endpoint(get=consumers.read_live_view)),
    path(f"{GALLERY}/segments/<int:segment>", endpoint(put=segments.declare_segment)),
    path(
        f"{GALLERY}/acknowledgements",
        endpoint(get=consumers.list_acknowledgements, post=consumers.acknowledge_epoch),
    ),
    path(f"{GALLERY}/acknowledgements/<slug:consumer>", endpoint(delete=consumers.forget)),
    path(
        f"{GALLERY}/probation",
        endpoint(get=probation.read_probation, put=probation.change_probation),
    ),
    path(f"{GALLERY}/items", endpoint(post=items.insert_items)),
    path(f"{GALLERY}/items/remove", endpoint(post=items.remove_gallery_items)),
    path(f"{GALLERY}/batches/<int:batch>", endpoint(get=items.read_batch)),
    path(f"{GALLERY}/search", endpoint(post=search.search_gallery)),
    path(f"{GALLERY}/preview", endpoint(post=previews.preview_search)),
    path(f"{GALLERY}/preview-samples", endpoint(post=previews.preview_sampled_queries)),
    path(f"{GALLERY}/backfill-plan", endpoint(get=backfills.read_backfill_plan)),
    path(
        f"{GALLERY}/backfills",
        endpoint(get=backfills.list_backfills, post=backfills.open_backfill),
    ),
    path(f"{GALLERY}/backfills/<int:backfill>", endpoint(get=backfills.read_backfill)),
    path(f"{GALLERY}/backfills/<int:backfill>/pause", endpoint(post=backfills.pause)),
    path(f"{GALLERY}/backfills/<int:backfill>/resume", endpoint(post=backfills.resume)),
    path(f"{GALLERY}/backfills/<int:backfill>/stop", endpoint(post=backfills.stop)),
    path(f"{GALLERY}/canaries", endpoint(get=canaries.list_canaries, post=canaries.hand_in)),
    path(f"{GALLERY}/canaries/<int:canaries>", endpoint(get=canaries.read_canaries)),
    path(
        f"{GALLERY}/canary-checks",
        endpoint(get=canaries.list_canary_checks, post=canaries.check_gallery),
    ),
    path(f"{GALLERY}/canary-checks/<int:check>", endpoint(get=canaries.read_canary_check)),
    path(f"{GALLERY}/drift/acknowledge", endpoint(post=canaries.acknowledge_alarm)),
    path(f"{GALLERY}/verify", endpoint(post=galleries.verify_gallery)),
    path("uploads", endpoint(post=upload_sessions.open_upload)),
    path(
        "uploads/<slug:upload>",
        endpoint(get=upload_sessions.read_upload, patch=upload_sessions.append_to_upload),
    ),
    path(f"{UPGRADE}/decisions", endpoint(get=decisions.read_decisions)),
    path(f"{UPGRADE}/against/<int:other>", endpoint(get=decisions.compare_candidates)),
    path(f"{UPGRADE}/approve", endpoint(post=decisions.approve_upgrade)),
    path(f"{UPGRADE}/reject", endpoint(post=decisions.reject_upgrade)),
    path(f"{UPGRADE}/evaluate", endpoint(post=decisions.evaluate_upgrade)),
    path(f"{UPGRADE}/waivers", endpoint(post=waivers.ask_for_waiver)),
    path(f"{UPGRADE}/adapters", endpoint(get=adapters.list_adapters, post=adapters.fit_adapter)),
    path(f"{UPGRADE}/shadows", endpoint(get=shadows.list_shadows, post=shadows.open_shadow)),
    path(f"{UPGRADE}/shadows/stop", endpoint(post=shadows.end_shadow)),
    path("waivers/<int:waiver>/grant", endpoint(post=waivers.grant)),
    path(f"{ALIAS}/waivers", endpoint(get=waivers.list_waivers)),
    path(f"{ALIAS}/approvals", endpoint(put=decisions.choose_approvals)),
    path(f"{UPGRADE}/schedule", endpoint(post=schedules.schedule_promotion)),
    path("schedules", endpoint(get=schedules.list_schedules)),
    path("schedules/<int:schedule>", endpoint(get=schedules.read_schedule)),
    path("schedules/<int:schedule>/cancel", endpoint(post=schedules.cancel_schedule)),
    path(f"{ALIAS}/safeguards", endpoint(get=safeguards.list_safeguards)),
    path(
        f"{ALIAS}/safeguards/<slug:signal>",
        endpoint(
            get=safeguards.read_safeguard,
            put=safeguards.declare_safeguard,
            delete=safeguards.remove_safeguard,
        ),
    ),
    path(f"{ALIAS}/signals/alerts", endpoint(post=alerts.send_alerts)),
    path(f"{ALIAS}/signals", endpoint(get=safeguards.list_signals, post=safeguards.send_signal)),
    path("compatibility", endpoint(post=compatibility.check_outputs)),
    path("compatibility/<int:check>", endpoint(get=compatibility.read_check)),
    path("ledger", endpoint(get=ledger.list_entries)),
    path("ledger/export", endpoint(get=ledger.export_ledger)),
    path("ledger/verify", endpoint(get=ledger.verify_ledger)),
    path("events", endpoint(get=events.list_events)),
    path("webhooks", endpoint(get=webhooks.list_webhooks, post=webhooks.create_webhook)),
    path(WEBHOOK, endpoint(get=webhooks.read_webhook, delete=webhooks.deactivate_webhook)),
    path(f"{WEBHOOK}/activate", endpoint(post=webhooks.activate_webhook)),
    path(f"{WEBHOOK}/secret", endpoint(post=webhooks.rotate_webhook_secret)),
    path(f"{WEBHOOK}/ping", endpoint(post=webhooks.ping_webhook)),
    path(f"{WEBHOOK}/deliveries", endpoint(get=webhooks.list_deliveries)),
    path(DELIVERY, endpoint(get=webhooks.read_delivery)),
    path(f"{DELIVERY}/redeliver", endpoint(post=webhooks.redeliver_message)),
    path("tokens", endpoint(get=tokens.list_tokens, post=tokens.issue)),
    path("tokens/<int:token>", endpoint(delete=tokens.revoke)),
    path("schemas/manifest", endpoint(get=documents.read_manifest_schema)),
    path("schema", endpoint(get=documents.read_openapi), name="schema"),
    path("docs", documents.show, name="docs"),
    re_path(r"^(?P<rest>.*)$", documents.no_such_address),
]
