"""From an event to a receiver and back into the log, with a real receiver on loopback."""

import json
import socket
import threading
from http.server import ThreadingHTTPServer

import pytest

from registry.notify.models import Delivery
from registry.notify.services.ping import ping
from registry.notify.services.publish import publish
from registry.notify.services.redeliver import redeliver
from registry.notify.services.rotate_secret import rotate_secret
from registry.notify.services.sweep import sweep
from tests.builders import registry as make
from tests.builders import webhooks as build
from tests.documents import python_in
from tests.receiver import answers, listening
from workers.tasks import deliver_webhook as task

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def private_targets(settings):
    settings.WEBHOOK_ALLOW_PRIVATE = True


@pytest.fixture
def receiver():
    with listening() as running:
        yield running


def happen(queue, **body):
    queue.act(publish, kind="alias.moved", subject="alias:digits@production", **body)
    queue.settle()


def try_again(queue):
    build.make_due()
    queue.act(sweep)
    queue.settle()


def the_delivery():
    return Delivery.objects.select_related("event").get()


def test_an_event_arrives_signed_and_is_logged_as_delivered(queue, receiver):
    sample = python_in("webhooks.md")
    subscription = build.a_subscription(url=receiver.url())
    receiver.script.append(answers(200, b"noted"))

    happen(queue, epoch=2)

    (got,) = receiver.received
    delivery = the_delivery()
    assert sample.verify(subscription.secret, got.headers, got.body) == delivery.message_id
    assert json.loads(got.body)["data"]["body"] == {"epoch": 2}
    assert (delivery.work_state, delivery.attempt) == ("done", 1)
    assert (delivery.response_status, delivery.response_excerpt) == (200, "noted")
    assert delivery.delivered_at is not None


def test_a_real_promotion_reaches_its_receiver(queue, receiver):
    build.a_subscription(url=receiver.url(), kinds=["alias.moved"])

    queue.act(make.a_promoted_upgrade)
    queue.settle()

    (got,) = receiver.received
    message = json.loads(got.body)
    assert (message["type"], message["data"]["body"]["epoch"]) == ("alias.moved", 1)


def test_500_then_200_is_one_message_sent_twice_with_one_id(queue, receiver):
    build.a_subscription(url=receiver.url())
    receiver.script += [answers(500, b"busy"), answers(200)]

    happen(queue)
    assert (the_delivery().work_state, the_delivery().response_status) == ("queued", 500)
    queue.act(sweep)
    queue.settle()
    assert len(receiver.received) == 1
    try_again(queue)

    first, second = receiver.received
    assert (the_delivery().work_state, the_delivery().attempt) == ("done", 2)
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body


def test_a_message_delivered_twice_by_the_broker_is_sent_once(queue, receiver):
    build.a_subscription(url=receiver.url())
    happen(queue)

    for _ in range(3):
        task.deliver_webhook(the_delivery().pk)

    assert len(receiver.received) == 1


def test_a_receiver_that_hangs_costs_one_time_limit(queue, receiver, monkeypatch):
    monkeypatch.setattr(task, "TIME_LIMIT_S", 0.4)
    build.a_subscription(url=receiver.url())
    receiver.script.append(receiver.hangs)

    happen(queue)

    delivery = the_delivery()
    assert (delivery.work_state, delivery.error_code) == ("queued", "timed_out")
    assert 400 <= delivery.duration_ms < 2000
    try_again(queue)
    assert the_delivery().work_state == "done"


def test_a_redirect_is_a_failure_and_leads_nowhere(queue, receiver):
    build.a_subscription(url=receiver.url())
    with listening() as elsewhere:
        receiver.script.append(answers(302, Location=elsewhere.url()))

        happen(queue)

        assert (the_delivery().error_code, the_delivery().response_status) == ("redirected", 302)
        assert elsewhere.connections == 0


def test_a_closed_receiver_is_told_and_found_when_it_comes_back(queue):
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        build.a_subscription(url=f"http://127.0.0.1:{bound.getsockname()[1]}/")

        happen(queue)

    assert the_delivery().error_code == "connect_failed"
    with listening() as back:
        subscription = the_delivery().subscription
        subscription.url = back.url()
        subscription.save(update_fields=["url"])
        try_again(queue)
        assert len(back.received) == 1


def test_410_ends_it(queue, receiver):
    subscription = build.a_subscription(url=receiver.url())
    receiver.script.append(answers(410))

    happen(queue)
    happen(queue)

    subscription.refresh_from_db()
    assert (subscription.active, len(receiver.received)) == (False, 1)


def test_during_a_rotation_receivers_of_either_secret_are_content(queue, receiver):
    sample = python_in("webhooks.md")
    subscription = build.a_subscription(url=receiver.url())
    old = subscription.secret
    _, new = rotate_secret(subscription_id=subscription.pk, actor=subscription.owner)

    happen(queue)

    (got,) = receiver.received
    assert got.headers["webhook-signature"].count("v1,") == 2
    for secret in (old, new):
        assert sample.verify(secret, got.headers, got.body)


def test_where_private_targets_are_not_allowed_any_more_nothing_is_sent(queue, receiver, settings):
    build.a_subscription(url=receiver.url())
    settings.WEBHOOK_ALLOW_PRIVATE = False

    happen(queue)

    assert (the_delivery().error_code, receiver.connections) == ("target_not_allowed", 0)


def test_the_whole_receiver_of_the_documentation_acts_once_on_what_comes_twice(queue):
    sample = python_in("webhooks.md")
    acted = []
    sample.Receiver.act_on = lambda self, message: acted.append(message["type"])
    sample.Receiver.log_message = lambda self, *arguments: None
    with ThreadingHTTPServer(("127.0.0.1", 0), sample.Receiver) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            url = f"http://127.0.0.1:{server.server_address[1]}/"
            subscription = build.a_subscription(url=url, kinds=["upgrade.*"])
            sample.Receiver.secret = subscription.secret
            who = {"subscription_id": subscription.pk, "actor": subscription.owner}
            queue.act(ping, **who)
            queue.settle()
            queue.act(redeliver, **who, delivery_id=the_delivery().pk)
            queue.settle()
            assert (the_delivery().work_state, the_delivery().attempt) == ("done", 2)
            assert acted == ["webhook.ping"]

            sample.Receiver.secret = "whsec_b3RoZXIgc2VjcmV0IG9mIDI0IGJ5dGVzIQ=="
            queue.act(redeliver, **who, delivery_id=the_delivery().pk)
            queue.settle()
            assert (the_delivery().work_state, the_delivery().response_status) == ("queued", 400)
        finally:
            server.shutdown()
            thread.join(timeout=10)


def test_nothing_that_is_logged_holds_a_secret(queue, receiver, caplog):
    subscription = build.a_subscription(url=receiver.url())
    receiver.script.append(answers(500))

    with caplog.at_level("DEBUG"):
        happen(queue)

    assert subscription.secret not in caplog.text
    assert subscription.secret.removeprefix("whsec_") not in caplog.text
