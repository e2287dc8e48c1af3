"""The receiver of the documentation takes what the registry sends, once, and nothing else."""

import time

import pytest

from tests.documents import python_in
from workers.delivery.signature import signature_header

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_b3RoZXIgc2VjcmV0IG9mIDI0IGJ5dGVzIQ=="
BODY = b'{"type":"alias.moved"}'
NOW = 1_900_000_000


@pytest.fixture(scope="module")
def sample():
    return python_in("webhooks.md")


def headers(secrets=(SECRET,), *, message_id="msg_1", timestamp=NOW, body=BODY):
    signature = signature_header(secrets, message_id=message_id, timestamp=timestamp, body=body)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature,
    }


@pytest.mark.parametrize("secrets", [(SECRET,), (SECRET, OTHER), (OTHER, SECRET)])
def test_a_message_is_taken_by_whichever_live_secret(sample, secrets):
    assert sample.verify(SECRET, headers(secrets), BODY, now=NOW) == "msg_1"


@pytest.mark.parametrize("age", [-5 * 60, 0, 5 * 60])
def test_a_message_is_good_for_five_minutes(sample, age):
    assert sample.verify(SECRET, headers(), BODY, now=NOW + age)


@pytest.mark.parametrize("age", [-6 * 60, 6 * 60, 5 * 60 + 1])
def test_a_replay_after_six_minutes_is_refused(sample, age):
    with pytest.raises(sample.Refused, match="too old"):
        sample.verify(SECRET, headers(), BODY, now=NOW + age)


@pytest.mark.parametrize(
    "forged",
    [
        {"webhook-id": "msg_2"},
        {"webhook-timestamp": str(NOW + 1)},
        {"webhook-signature": ""},
        {"webhook-signature": "v1,"},
        {"webhook-signature": "v1," + "A" * 43 + "="},
        {"webhook-signature": "v1,größe"},
        headers((OTHER,)),
        {"webhook-signature": headers()["webhook-signature"].replace("v1,", "v2,")},
        {"webhook-signature": headers()["webhook-signature"].removeprefix("v1,")},
    ],
)
def test_a_forged_signature_is_refused(sample, forged):
    with pytest.raises(sample.Refused, match="no signature fits"):
        sample.verify(SECRET, headers() | forged, BODY, now=NOW)


def test_another_body_is_refused(sample):
    with pytest.raises(sample.Refused):
        sample.verify(SECRET, headers(), BODY + b" ", now=NOW)


@pytest.mark.parametrize("gone", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_missing_header_is_refused(sample, gone):
    kept = {name: value for name, value in headers().items() if name != gone}

    with pytest.raises(sample.Refused):
        sample.verify(SECRET, kept, BODY, now=time.time() if gone == "webhook-timestamp" else NOW)


@pytest.mark.parametrize("timestamp", ["", "now", "-1", "1e9", "٣", "1900000000.5"])
def test_a_timestamp_that_is_no_number_is_refused(sample, timestamp):
    with pytest.raises(sample.Refused):
        sample.verify(SECRET, headers() | {"webhook-timestamp": timestamp}, BODY, now=NOW)
