"""What would be right, where the outputs of a check could not be judged."""

from collections.abc import Mapping

_TABLE = "Send an NPZ file (numpy.savez, no pickled objects) or a Parquet file of plain columns."
_VALUES = "Every row needs a value: text ids, finite numbers that fit float32, or class names."
_SHAPE = "Column output holds one row of numbers a sample, as wide as the manifest says."
_COLUMNS = "Send column id and one of output (scores or vectors) and prediction (class names)."
_AGAIN = "Nothing is wrong with the file as far as we know: upload it again for another check."

REMEDIES: Mapping[str, str] = {
    "ids_missing": "Send one row for every sample id of the set; the order does not matter.",
    "ids_extra": "Leave out the rows whose ids the set does not have. Is it the right revision?",
    "duplicate_id": "Send one row an id.",
    "empty_set": "Send one row for every sample id of the set.",
    "missing_column": _COLUMNS,
    "two_outputs": _COLUMNS,
    "label_outside_classes": "Name classes as the manifest does, or give a manifest that has them.",
    "missing_label": _VALUES,
    "missing_value": _VALUES,
    "outputs_not_finite": _VALUES,
    "unsupported_dtype": _VALUES,
    "bad_text": _VALUES,
    "zero_embedding": "A vector of zeros has no direction: look at how that sample was embedded.",
    "output_shape": _SHAPE,
    "output_rows": _SHAPE,
    "unequal_lengths": _SHAPE,
    "unequal_shapes": _SHAPE,
    "column_name": _COLUMNS,
    "not_a_table": _TABLE,
    "inflates_too_far": _TABLE,
    "too_large": "Send the rows of this set and nothing more.",
    "outputs_missing": (
        "Upload or compute the outputs of the version that the alias names on this set first."
    ),
    "gave_up": _AGAIN,
    "time_limit": _AGAIN,
    "child_crashed": _AGAIN,
    "out_of_memory": "The comparison needs more memory than a worker has: ask who runs this.",
}
"""By error code; a code that is not here is shown with its sentence alone."""


def remedy(code: str) -> str:
    """Return what would be right after an error of this code; empty where nobody knows."""
    return REMEDIES.get(code, "")
