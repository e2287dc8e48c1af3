"""Celery tasks: one a file, each claim -> compute -> record."""

from importlib import import_module

for _name in (
    "advance_upgrades",
    "backfill",
    "carry_out",
    "check",
    "check_canaries",
    "compare",
    "compute_outputs",
    "deliver_webhook",
    "embed_twin",
    "fan_out_events",
    "fit_adapter",
    "insert_items",
    "inspect_canaries",
    "inspect_evaluation_set",
    "inspect_version",
    "rewrite_twin",
    "seal_segment",
    "sweep",
):
    import_module(f"workers.tasks.{_name}")
