"""Webhooks over the API: create, read, rotate, ping, send again, switch off and on."""

import pytest

from registry.audit.models import LedgerEntry
from registry.notify.models import Delivery, Subscription
from tests.builders import registry as make
from tests.builders import webhooks as build
from tests.registry.api.conftest import Api, refusal


def create(api, **given):
    return api.post("webhooks", **{"url": build.URL, "kinds": ["alias.moved"], **given})


def test_a_webhook_is_created_and_its_secret_is_shown_once(api):
    response = create(api, description="to the pager")

    assert response.status_code == 201
    made = response.json()
    assert made["secret"] == Subscription.objects.get().secret
    assert (made["url"], made["kinds"], made["active"]) == (build.URL, ["alias.moved"], True)
    kept = api.get(f"webhooks/{made['id']}").json()
    assert kept == {name: value for name, value in made.items() if name != "secret"}
    assert api.get("webhooks").json()["results"] == [kept]


def test_a_repeated_request_gets_the_same_webhook_without_its_secret(api):
    key = {"Idempotency-Key": "once"}
    body = {"url": build.URL, "kinds": ["*"]}
    first = api.post("webhooks", headers=key, **body).json()

    again = api.post("webhooks", headers=key, **body)

    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.json() == first | {"secret": None}
    assert Subscription.objects.count() == 1


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"url": "https://user:pass@hooks.example.com/"}, "invalid_webhook_url"),
        ({"url": " https://hooks.example.com/"}, "invalid_webhook_url"),
        ({"url": "https://hooks.example.com/" + "a" * 500}, "invalid_webhook_url"),
        ({"url": "http://hooks.example.com/"}, "target_not_allowed"),
        ({"url": "https://169.254.169.254/"}, "target_not_allowed"),
        ({"kinds": []}, "invalid_event_filter"),
        ({"kinds": ["Alias"]}, "invalid_event_filter"),
        ({"kinds": "*"}, "invalid_input"),
        ({"kinds": [1, {}]}, "invalid_input"),
        ({"url": None}, "invalid_input"),
        ({"description": "x" * 201}, "invalid_input"),
    ],
)
def test_what_is_no_webhook_is_refused_with_a_code_and_leaves_nothing(api, given, code):
    assert refusal(create(api, **given)) == (400, code)

    assert not Subscription.objects.exists()


def test_an_attempt_at_a_private_target_is_in_the_ledger(api):
    create(api, url="https://127.0.0.1/")

    entry = LedgerEntry.objects.latest("seq")
    assert (entry.actor, entry.action) == (api.owner.username, "webhook.create")
    assert entry.body["refused"] == "target_not_allowed"


def test_a_rotation_shows_the_new_secret_and_until_when_the_old_one_signs(api):
    made = create(api).json()
    path = f"webhooks/{made['id']}"

    rotated = api.post(f"{path}/secret", keep_old_hours=1).json()

    stored = Subscription.objects.get()
    assert (stored.secret, stored.previous_secret) == (rotated["secret"], made["secret"])
    assert rotated["previous_secret_until"] is not None
    assert "secret" not in api.get(path).json()
    assert refusal(api.post(f"{path}/secret", keep_old_hours=1000)) == (400, "invalid_overlap")


def test_a_ping_is_queued_logged_and_sent_again(api):
    path = f"webhooks/{create(api).json()['id']}"

    pinged = api.post(f"{path}/ping")

    assert pinged.status_code == 202
    line = pinged.json()
    assert (line["kind"], line["work_state"], line["attempt"]) == ("webhook.ping", "queued", 0)
    assert api.get(f"{path}/deliveries").json()["results"] == [line]
    build.try_once(Delivery.objects.get(), "refused_status", status=500)
    failed = api.get(f"{path}/deliveries/{line['id']}").json()
    assert (failed["response_status"], failed["error"]["code"]) == (500, "refused_status")
    again = api.post(f"{path}/deliveries/{line['id']}/redeliver").json()
    assert again["message_id"] == line["message_id"]
    assert again["next_attempt_at"] < failed["next_attempt_at"]


def test_deleting_switches_off_and_keeps_the_log(api):
    path = f"webhooks/{create(api).json()['id']}"
    line = api.post(f"{path}/ping").json()

    off = api.send("DELETE", path).json()

    assert (off["active"], off["inactive_reason"]) == (False, "by_person")
    kept = api.get(f"{path}/deliveries/{line['id']}").json()
    assert kept["error"]["code"] == "webhook_inactive"
    assert refusal(api.post(f"{path}/ping")) == (409, "webhook_inactive")
    redelivery = api.post(f"{path}/deliveries/{line['id']}/redeliver")
    assert refusal(redelivery) == (409, "webhook_inactive")
    assert api.post(f"{path}/activate").json()["active"] is True
    assert refusal(api.post(f"{path}/activate")) == (409, "webhook_active")


def test_the_webhook_of_another_is_not_there(api):
    delivery = build.a_delivery()
    path = f"webhooks/{delivery.subscription_id}"
    line = f"{path}/deliveries/{delivery.pk}"

    answers = [
        api.get(path),
        api.send("DELETE", path),
        api.get(f"{path}/deliveries"),
        api.get(line),
        *(api.post(f"{path}/{act}") for act in ("activate", "secret", "ping")),
        api.post(f"{line}/redeliver"),
    ]

    assert {refusal(answer) for answer in answers} == {(404, "unknown_webhook")}
    assert api.get("webhooks").json()["results"] == []
    chief = Api("read", owner=make.a_user(is_staff=True))
    assert chief.get(path).status_code == 200


def test_a_delivery_of_another_webhook_is_not_there(api):
    delivery = build.a_delivery(build.a_subscription(api.owner))
    other = build.a_subscription(api.owner)

    answer = api.get(f"webhooks/{other.pk}/deliveries/{delivery.pk}")

    assert refusal(answer) == (404, "unknown_delivery")


def test_lists_cost_the_same_however_long_they_are(api, django_assert_num_queries):
    webhook = build.a_subscription(api.owner)
    build.a_delivery(webhook)
    api.get("models")  # notes when the token was used
    for path, queries in (("webhooks", 2), (f"webhooks/{webhook.pk}/deliveries", 3)):
        with django_assert_num_queries(queries):
            api.get(path)
        build.a_delivery(build.a_subscription(api.owner))
        build.a_delivery(webhook)
        with django_assert_num_queries(queries):
            api.get(path)
