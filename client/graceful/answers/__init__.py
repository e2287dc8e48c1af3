"""The answers of the API as types; a registry may answer with more than is named here."""

from graceful.answers.adapters import Adapter, AdapterFigures, Fitted, HeldOut, Preparation
from graceful.answers.aliases import Alias, AliasStanding, Gate, Pin
from graceful.answers.backfills import Backfill, BackfillPlan, Holding
from graceful.answers.canaries import Canaries, CanaryCheck, CheckedSegment, Drift, DriftFinding
from graceful.answers.decisions import Decision, Decisions, OwedWaiver, Waiver
from graceful.answers.evaluation import Check, Comparison, Flip, Measurement, SetRevision
from graceful.answers.galleries import Gallery, GalleryDetail, Probation, Segment
from graceful.answers.ledger import Entry, Event, Head
from graceful.answers.live import (
    Acknowledgement,
    LiveEncoder,
    LiveSegment,
    LiveView,
    ScoreCalibration,
)
from graceful.answers.models import Edge, Model, ModelDetail, Registered, Serving, Version
from graceful.answers.moves import (
    Cutover,
    Move,
    PlannedGallery,
    PlannedSegment,
    Promotion,
    RollbackPlan,
)
from graceful.answers.policies import (
    EffectivePolicy,
    EffectiveRule,
    Policy,
    PolicyLayer,
    PolicyProblem,
    PolicyRevision,
    PolicyScope,
    VerifiedPolicy,
)
from graceful.answers.previews import ComparedHit, Preview, PreviewQuery, PreviewSide
from graceful.answers.safeguards import Safeguard, Signal, WayBack
from graceful.answers.schedules import Schedule, ScheduleSummary, ShadowCondition
from graceful.answers.shadows import Latency, Shadow
from graceful.answers.tokens import Token
from graceful.answers.upgrades import Upgrade, UpgradeSummary
from graceful.answers.uploads import UploadSession
from graceful.answers.verdicts import Coverage, Outcome, RuleResult, Verdict
from graceful.answers.work import Step, WorkError

__all__ = [
    "Acknowledgement",
    "Adapter",
    "AdapterFigures",
    "Alias",
    "AliasStanding",
    "Backfill",
    "BackfillPlan",
    "Canaries",
    "CanaryCheck",
    "Check",
    "CheckedSegment",
    "ComparedHit",
    "Comparison",
    "Coverage",
    "Cutover",
    "Decision",
    "Decisions",
    "Drift",
    "DriftFinding",
    "Edge",
    "EffectivePolicy",
    "EffectiveRule",
    "Entry",
    "Event",
    "Fitted",
    "Flip",
    "Gallery",
    "GalleryDetail",
    "Gate",
    "Head",
    "HeldOut",
    "Holding",
    "Latency",
    "LiveEncoder",
    "LiveSegment",
    "LiveView",
    "Measurement",
    "Model",
    "ModelDetail",
    "Move",
    "Outcome",
    "OwedWaiver",
    "Pin",
    "PlannedGallery",
    "PlannedSegment",
    "Policy",
    "PolicyLayer",
    "PolicyProblem",
    "PolicyRevision",
    "PolicyScope",
    "Preparation",
    "Preview",
    "PreviewQuery",
    "PreviewSide",
    "Probation",
    "Promotion",
    "Registered",
    "RollbackPlan",
    "RuleResult",
    "Safeguard",
    "Schedule",
    "ScheduleSummary",
    "ScoreCalibration",
    "Segment",
    "Serving",
    "SetRevision",
    "Shadow",
    "ShadowCondition",
    "Signal",
    "Step",
    "Token",
    "Upgrade",
    "UpgradeSummary",
    "UploadSession",
    "Verdict",
    "VerifiedPolicy",
    "Version",
    "Waiver",
    "WayBack",
    "WorkError",
]
