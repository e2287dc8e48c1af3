"""Webhooks: a secret is shown once, the log says what happened, and everybody sees their own."""

import pytest

from registry.notify.models import Subscription
from tests.builders import registry as make
from tests.builders import webhooks as build
from tests.registry.web.conftest import HTMX, outcomes_of, text_of

FORM = {"url": build.URL, "kinds": "alias.moved, upgrade.*", "description": "pager"}


def test_without_one_the_list_says_what_a_webhook_is_for(pages):
    assert "No webhook yet" in text_of(pages.get("/webhooks/"))


def test_the_secret_is_shown_once(pages, ada):
    response = pages.post("/new/webhook/", FORM)

    made = Subscription.objects.get()
    assert (made.owner, made.kinds) == (ada, ["alias.moved", "upgrade.*"])
    assert made.secret in response.content.decode()
    assert "no-store" in response.headers["Cache-Control"]
    for path in ("/webhooks/", f"/webhooks/{made.pk}/"):
        page = pages.get(path).content.decode()
        assert build.URL.partition("?")[0] in page
        assert "whsec_" not in page


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"url": "https://127.0.0.1/"}, "target_not_allowed"),
        ({"url": "https://a@b.example/"}, "invalid_webhook_url"),
        ({"kinds": "Everything!"}, "invalid_event_filter"),
        ({"kinds": " , "}, "invalid_event_filter"),
    ],
)
def test_what_is_no_webhook_is_told_on_the_form(pages, change, code):
    response = pages.post("/new/webhook/", FORM | change)

    assert response.status_code == 422
    assert code in text_of(response)
    assert not Subscription.objects.exists()


def test_a_new_secret_is_shown_once_and_the_old_one_named(pages, ada):
    webhook = build.a_subscription(ada)

    response = pages.post(f"/webhooks/{webhook.pk}/secret/", {"keep_old_hours": "24"})

    webhook.refresh_from_db()
    assert webhook.secret in response.content.decode()
    assert webhook.previous_secret not in response.content.decode()
    assert "no-store" in response.headers["Cache-Control"]
    assert "two: the one before ends" in text_of(pages.get(f"/webhooks/{webhook.pk}/"))


def test_the_log_shows_tries_answer_and_next_try(pages, ada):
    webhook = build.a_subscription(ada)
    delivery = build.a_delivery(webhook)
    build.try_once(delivery, "refused_status", status=500)

    response = pages.get(f"/webhooks/{webhook.pk}/")

    said = text_of(response)
    assert "it was refused_status" in said
    assert f"next try {delivery.next_attempt_at:%Y-%m-%d %H:%M:%S} UTC" in said
    assert delivery.message_id in said
    assert outcomes_of(response) == ["waiting"]
    assert "failing" in said


def test_the_log_is_polled_while_a_message_is_on_its_way_and_no_longer(pages, ada):
    webhook = build.a_subscription(ada)
    delivery = build.a_delivery(webhook)
    path = f"/webhooks/{webhook.pk}/"

    assert b'hx-trigger="every 2s"' in pages.get(path).content
    assert pages.get(path, headers=HTMX).status_code == 200
    build.try_once(delivery, "timed_out")

    assert b'hx-trigger="every 2s"' not in pages.get(path).content
    assert pages.get(path, headers=HTMX).status_code == 286


def test_what_a_receiver_answers_is_text_and_nothing_else(pages, ada):
    webhook = build.a_subscription(ada)
    delivery = build.try_once(build.a_delivery(webhook))
    delivery.response_excerpt = "<script>alert(1)</script>"
    delivery.save()

    page = pages.get(f"/webhooks/{webhook.pk}/").content

    assert b"&lt;script&gt;alert(1)" in page
    assert b"<script>alert" not in page


def test_test_message_send_again_off_and_on(pages, ada):
    webhook = build.a_subscription(ada)
    path = f"/webhooks/{webhook.pk}"

    pages.post(f"{path}/ping/")
    delivery = build.try_once(webhook.deliveries.get(event__kind="webhook.ping"))
    pages.post(f"{path}/deliveries/{delivery.pk}/redeliver/")
    delivery.refresh_from_db()
    assert delivery.work_state == "queued"
    off = pages.post(f"{path}/deactivate/", follow=True)
    assert "Switch on" in text_of(off)
    assert "webhook_inactive" in text_of(pages.post(f"{path}/ping/", follow=True))
    assert "Switch off" in text_of(pages.post(f"{path}/activate/", follow=True))


def test_nobody_sees_or_changes_the_webhook_of_another(pages):
    delivery = build.a_delivery()
    path = f"/webhooks/{delivery.subscription_id}"

    assert pages.get(f"{path}/").status_code == 404
    for act in ("secret", "ping", "deactivate", "activate", f"deliveries/{delivery.pk}/redeliver"):
        assert pages.post(f"{path}/{act}/", {"keep_old_hours": "0"}).status_code == 404
    assert build.URL not in pages.get("/webhooks/").content.decode()
    delivery.subscription.refresh_from_db()
    assert delivery.subscription.active
    assert not delivery.subscription.previous_secret_until


def test_a_longer_list_and_a_longer_log_cost_no_further_query(
    pages, ada, django_assert_max_num_queries, django_assert_num_queries
):
    webhook = build.a_subscription(ada)
    for path in ("/webhooks/", f"/webhooks/{webhook.pk}/"):
        build.a_delivery(webhook)
        with django_assert_max_num_queries(8) as few:
            pages.get(path)
        for _ in range(3):
            build.a_subscription(ada)
            build.a_delivery(webhook)
        with django_assert_num_queries(len(few)):
            pages.get(path)


def test_the_ledger_leads_to_the_webhook(pages, ada):
    webhook = build.a_subscription(ada)

    assert f'href="/webhooks/{webhook.pk}/"' in pages.get("/ledger/").content.decode()


def test_an_administrator_sees_whose_it_is(pages, ada):
    ada.is_staff = True
    ada.save()
    build.a_subscription(make.a_user("grace"))

    assert "grace" in text_of(pages.get("/webhooks/"))
