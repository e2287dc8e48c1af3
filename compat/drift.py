"""The vocabulary of drift: what it is called and how much of it is none."""

from enum import StrEnum

TOLERANCE = 1e-4
"""Drift of one canary that other arithmetic explains (chosen): 1.4 % of a vector's length. By
``python -m bench drift`` another number of rows, threads or runtime moves float32 by less than
1e-12, TF32 by 1e-6, vectors stored as a byte a number by 2e-5, bfloat16 by 6e-5; the nearest other
version of the demo, trained to be compatible, lies 6e-2 away."""

LEAST_TOLERANCE, MOST_TOLERANCE = 1e-9, 0.05
"""What an owner may ask for: above float32 itself, and below what tells versions apart (chosen)."""


class DriftOutcome(StrEnum):
    """What a comparison of canaries says."""

    MATCHES = "matches"
    DIFFERS = "differs"
    ERRORED = "errored"
