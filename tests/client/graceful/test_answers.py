"""The types of the SDK name nothing that the registry does not answer with."""

import pytest
from graceful import answers

from registry.api.documents import openapi

COMPONENTS = {
    "WorkError": "ErrorOfWorkOut",
    "Serving": "ServingOut",
    "Model": "ModelOut",
    "Edge": "EdgeOut",
    "Version": "VersionDetailOut",
    "Registered": "RegisteredOut",
    "RuleResult": "RuleResultOut",
    "Coverage": "CoverageOut",
    "Verdict": "VerdictOut",
    "Step": "StepOut",
    "UpgradeSummary": "UpgradeOut",
    "Upgrade": "UpgradeDetailOut",
    "Move": "MoveOut",
    "Cutover": "CutoverOut",
    "Promotion": "PromotionOut",
    "PlannedSegment": "PlannedSegmentOut",
    "PlannedGallery": "PlannedGalleryOut",
    "RollbackPlan": "RollbackPlanOut",
    "Probation": "ProbationOut",
    "ShadowCondition": "ConditionField",
    "ScheduleSummary": "ScheduleOut",
    "Schedule": "ScheduleDetailOut",
    "WayBack": "WayBackOut",
    "Safeguard": "SafeguardOut",
    "Signal": "SignalOut",
    "Alias": "AliasOut",
    "AliasStanding": "StandingOut",
    "PolicyRevision": "PolicyRevisionOut",
    "PolicyLayer": "LayerOut",
    "EffectiveRule": "EffectiveRuleOut",
    "EffectivePolicy": "EffectivePolicyOut",
    "PolicyProblem": "ProblemOut",
    "VerifiedPolicy": "VerifiedPolicyOut",
    "PolicyScope": "PolicyScopeOut",
    "Policy": "PolicyOut",
    "SetRevision": "RevisionOut",
    "Pin": "PinOut",
    "Gate": "GateOut",
    "Measurement": "MeasurementOut",
    "Flip": "FlipOut",
    "Comparison": "ComparisonDetailOut",
    "Decision": "DecisionOut",
    "Waiver": "WaiverOut",
    "OwedWaiver": "OwedOut",
    "ModelDetail": "ModelDetailOut",
    "Decisions": "DecisionsOut",
    "Check": "CheckOut",
    "DriftFinding": "FindingOut",
    "Drift": "DriftOut",
    "Canaries": "CanariesOut",
    "CheckedSegment": "SegmentCheckOut",
    "CanaryCheck": "CanaryCheckOut",
    "ComparedHit": "ComparedHitOut",
    "PreviewSide": "SideOut",
    "PreviewQuery": "PreviewQueryOut",
    "Preview": "PreviewOut",
    "Latency": "LatencyOut",
    "Shadow": "ShadowOut",
    "Backfill": "BackfillOut",
    "Holding": "HoldingOut",
    "BackfillPlan": "BackfillPlanOut",
    "Gallery": "GalleryOut",
    "Segment": "SegmentOut",
    "GalleryDetail": "GalleryDetailOut",
    "LiveEncoder": "LiveEncoderOut",
    "ScoreCalibration": "CalibrationOut",
    "LiveSegment": "LiveSegmentOut",
    "LiveView": "LiveOut",
    "Acknowledgement": "AcknowledgementOut",
    "Adapter": "AdapterOut",
    "Preparation": "PreparationOut",
    "AdapterFigures": "RepairFiguresOut",
    "Fitted": "FittedOut",
    "HeldOut": "HeldOutOut",
    "Head": "HeadOut",
    "Entry": "EntryOut",
    "Event": "EventOut",
    "Token": "TokenOut",
    "UploadSession": "SessionOut",
}


def test_every_type_is_held_against_the_document():
    typed = {
        name
        for name, value in vars(answers).items()
        if isinstance(value, type) and value.__module__.startswith(f"{answers.__name__}.")
    }

    assert typed == set(COMPONENTS)


@pytest.mark.parametrize(("name", "component"), COMPONENTS.items())
def test_a_type_names_only_what_the_registry_answers_with(name, component):
    properties = openapi()["components"]["schemas"][component]["properties"]

    assert set(getattr(answers, name).__annotations__) <= set(properties)
