"""The default policy document of each task."""

from typing import Any

from compat.policy import Task

DEFAULTS: dict[Task, dict[str, Any]] = {
    Task.CLASSIFICATION: {
        "task": "classification",
        "confidence": 0.95,
        "level": "backward",
        "rules": [
            {
                "name": "negative flips",
                "measurement": "nfr",
                "bound": "at_most",
                "threshold": 0.01,
                "min_support": 300,
                "promise": "backward",
                "rationale": "At most one answer in a hundred may go from right to wrong; "
                "299 samples are the fewest that can prove it.",
            },
            {
                "name": "accuracy kept",
                "measurement": "accuracy.new_minus_old",
                "bound": "at_least",
                "threshold": -0.005,
                "min_support": 300,
                "rationale": "Few flips are worth nothing if the new model is worse on the whole.",
            },
            {
                "name": "classes kept",
                "measurement": "classes_lost",
                "bound": "at_most",
                "threshold": 0,
                "promise": "forward",
                "rationale": "Whoever still reads the old answers must find every class there.",
            },
            {
                "name": "score scale kept",
                "measurement": "top_score_shift",
                "bound": "at_most",
                "threshold": 0.1,
                "min_support": 300,
                "promise": "forward",
                "rationale": "Consumers hold thresholds on the top score.",
            },
            {
                "name": "cumulative flips",
                "measurement": "cumulative_nfr",
                "bound": "at_most",
                "threshold": 0.02,
                "min_support": 300,
                "promise": "cumulative",
                "rationale": "Many small budgets, one after the other, must not add up unseen.",
            },
        ],
        "first_version": [
            {
                "name": "better than the majority class",
                "measurement": "accuracy.new_minus_majority",
                "bound": "above",
                "threshold": 0.0,
                "min_support": 100,
                "rationale": "A first version has no predecessor: it must beat a constant answer.",
            }
        ],
    },
    Task.EMBEDDING: {
        "task": "embedding",
        "confidence": 0.95,
        "level": "backward",
        "rules": [
            {
                "name": "empirical compatibility criterion",
                "measurement": "map.new_old_minus_old_old",
                "bound": "above",
                "threshold": 0.0,
                "min_support": 100,
                "promise": "backward",
                "rationale": "New queries on the old gallery must do better than old ones "
                "(Shen et al., CVPR 2020).",
            },
            {
                "name": "self-test kept",
                "measurement": "map.new_new_minus_old_old",
                "bound": "at_least",
                "threshold": -0.01,
                "min_support": 100,
                "rationale": "Compatibility must not be bought with a worse model.",
            },
            {
                "name": "retrieval flips",
                "measurement": "retrieval_nfr",
                "bound": "at_most",
                "threshold": 0.05,
                "min_support": 100,
                "promise": "backward",
                "rationale": "A better mean can hide queries that lost their first hit.",
            },
            {
                "name": "first hit kept",
                "measurement": "hit_rate_at_1.new_old_minus_old_old",
                "bound": "at_least",
                "threshold": -0.01,
                "min_support": 100,
                "advisory": True,
                "rationale": "mAP and the first hit can disagree: shown beside the criterion.",
            },
            {
                "name": "old queries on the new gallery",
                "measurement": "map.old_new_minus_old_old",
                "bound": "at_least",
                "threshold": -0.01,
                "min_support": 100,
                "promise": "forward",
                "rationale": "What is written by the candidate stays findable by the incumbent: "
                "going back is then free.",
            },
            *(
                {
                    "name": f"gallery {share} % backfilled",
                    "measurement": f"map.new_mixed{share}_minus_old_old",
                    "bound": "at_least",
                    "threshold": -0.01,
                    "min_support": 100,
                    "promise": "mixed",
                    "rationale": "A gallery on its way must serve no worse than before.",
                }
                for share in (25, 50, 75)
            ),
            {
                "name": "cumulative retrieval flips",
                "measurement": "cumulative_retrieval_nfr",
                "bound": "at_most",
                "threshold": 0.1,
                "min_support": 100,
                "promise": "cumulative",
                "rationale": "Many small budgets, one after the other, must not add up unseen.",
            },
        ],
        "first_version": [
            {
                "name": "better than chance",
                "measurement": "map.new_new_minus_chance",
                "bound": "above",
                "threshold": 0.0,
                "min_support": 100,
                "rationale": "A first version has no predecessor: it must beat a random order.",
            }
        ],
        "coverage": {"measure": "map", "margin": 0.01, "min_support": 100},
    },
}
"""Default policy documents. Budgets and margins were chosen before any candidate was looked at:
1 % negative flips is the budget that the literature on positive-congruent training aims at, and
0.5 % accuracy and 0.01 mAP are what a few hundred to a few thousand samples can resolve."""
