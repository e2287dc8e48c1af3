"""Why a search is refused or cannot be done: a stable code and its HTTP status."""

STATUS = {
    "unauthenticated": 401,
    "unknown_address": 404,
    "unknown_evaluation_set": 404,
    "unknown_gallery": 404,
    "unknown_item": 404,
    "unknown_sample": 404,
    "unknown_upgrade": 404,
    "method_not_allowed": 405,
    "gallery_attached": 409,
    "gallery_of_other_alias": 409,
    "inputs_missing": 409,
    "encoder_without_weights": 409,
    "item_not_searchable": 409,
    "set_not_ready": 409,
    "upgrade_closed": 409,
    "version_not_ready": 409,
    "wrong_producer": 409,
    "body_too_large": 413,
    "internal_error": 500,
    "busy": 503,
    "database_unavailable": 503,
    "encoder_unavailable": 503,
    "engine_unavailable": 503,
    "input_unavailable": 503,
    "not_calibrated": 503,
    "segment_unavailable": 503,
}
"""Every other code says that the request itself is wrong."""

BAD_REQUEST = 400


class SearchError(Exception):
    """A search without an answer; ``code`` is public and stable."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail

    @property
    def status(self) -> int:
        return STATUS.get(self.code, BAD_REQUEST)
