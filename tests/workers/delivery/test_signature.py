"""Signatures agree with the published construction, and with themselves never by accident."""

import base64
import hashlib
import hmac

from workers.delivery.signature import signature_header

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_" + base64.b64encode(b"another secret of 24 byte").decode()
MESSAGE = {
    "message_id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "timestamp": 1614265330,
    "body": b'{"test": 2432232314}',
}


def test_the_published_test_vector_of_the_construction():
    assert (
        signature_header([SECRET], **MESSAGE) == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    )


def test_two_live_secrets_sign_side_by_side_the_newest_first():
    both = signature_header([OTHER, SECRET], **MESSAGE)

    assert both.split(" ") == [
        signature_header([OTHER], **MESSAGE),
        signature_header([SECRET], **MESSAGE),
    ]


def test_the_signature_is_over_id_timestamp_and_body_with_dots_between():
    key = base64.b64decode(OTHER.removeprefix("whsec_"))
    signed = b'msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{"test": 2432232314}'
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()

    assert signature_header([OTHER], **MESSAGE) == f"v1,{expected}"
    for change in ({"message_id": "msg_2"}, {"timestamp": 1614265331}, {"body": b"{}"}):
        assert signature_header([OTHER], **MESSAGE | change) != f"v1,{expected}"
