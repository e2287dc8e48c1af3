"""The broker in a folder loses nothing, repeats nothing, and never shows half a message."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from kombu import Connection, Exchange, Queue

from registry.core import filesystem_transport

CONSUMER = """
import sys, time
from kombu import Connection
from registry.core import filesystem_transport
filesystem_transport.register()
url, wanted = sys.argv[1], float(sys.argv[2])
seen = []
with Connection(url) as connection:
    queue = connection.SimpleQueue("work")
    quiet_until = time.monotonic() + wanted
    while time.monotonic() < quiet_until:
        try:
            message = queue.get(timeout=0.2)
        except queue.Empty:
            continue
        print(message.payload["number"])
        message.ack()
        quiet_until = time.monotonic() + wanted
"""


@pytest.fixture
def url(tmp_path):
    filesystem_transport.register()
    return f"{filesystem_transport.SCHEME}://{tmp_path}"


def messages(folder: Path) -> list[Path]:
    return sorted((folder / "messages").iterdir())


def test_two_consumers_receive_every_message_exactly_once(url, tmp_path):
    count = 6000
    command = [sys.executable, "-c", CONSUMER, url, "2"]
    consumers = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(2)]
    with Connection(url) as connection:
        queue = connection.SimpleQueue("work")
        for number in range(count):
            queue.put({"number": number})
    received = [consumer.communicate(timeout=60)[0].split() for consumer in consumers]

    assert all(received), "both consumers took part"
    assert Counter(map(int, received[0] + received[1])) == Counter(range(count))
    assert messages(tmp_path) == []


def test_messages_come_in_the_order_they_were_sent(url):
    with Connection(url) as connection:
        queue = connection.SimpleQueue("work")
        for number in range(20):
            queue.put(number)
        assert [queue.get(timeout=1).payload for _ in range(20)] == list(range(20))


def test_a_message_that_is_still_being_written_is_not_seen(url, tmp_path, monkeypatch):
    seen_while_writing = []

    def replace(draft, final):
        seen_while_writing.append(connection.default_channel._size("work"))
        return original(draft, final)

    original = filesystem_transport.os.replace
    with Connection(url) as connection:
        queue = connection.SimpleQueue("work")
        monkeypatch.setattr(filesystem_transport.os, "replace", replace)
        queue.put("whole")
        assert seen_while_writing == [0]
        assert queue.qsize() == 1


def test_queues_do_not_see_each_others_messages(url):
    with Connection(url) as connection:
        control, compute = connection.SimpleQueue("control"), connection.SimpleQueue("compute")
        control.put("sweep")
        with pytest.raises(compute.Empty):
            compute.get_nowait()
        assert control.get(timeout=1).payload == "sweep"


def test_what_a_consumer_did_not_acknowledge_returns_when_it_closes(url):
    with Connection(url) as connection:
        queue = connection.SimpleQueue("work")
        queue.put("again")
        queue.get(timeout=1)
    with Connection(url) as connection:
        assert connection.SimpleQueue("work").get(timeout=1).payload == "again"


def test_concurrent_bindings_of_one_exchange_are_all_kept(url):
    bind = (
        "import sys\nfrom kombu import Connection, Exchange, Queue\n"
        "from registry.core import filesystem_transport as t\nt.register()\n"
        "with Connection(sys.argv[1]) as c:\n"
        "    for n in range(50):\n"
        "        name = f'{sys.argv[2]}-{n}'\n"
        "        Queue(name, Exchange('shared'), name, channel=c).declare()\n"
    )
    binders = [subprocess.Popen([sys.executable, "-c", bind, url, who]) for who in "ab"]
    assert [binder.wait(timeout=60) for binder in binders] == [0, 0]
    with Connection(url) as connection:
        table = connection.default_channel.get_table("shared")
    assert {row.queue for row in table} == {f"{who}-{n}" for who in "ab" for n in range(50)}


def test_a_deleted_queue_leaves_neither_binding_nor_messages(url, tmp_path):
    with Connection(url) as connection:
        queue = Queue("gone", Exchange("shared"), "gone", channel=connection)
        queue.declare()
        connection.Producer().publish("x", exchange="shared", routing_key="gone")
        assert len(messages(tmp_path)) == 1
        queue.delete()
        assert connection.default_channel.get_table("shared") == []
        assert messages(tmp_path) == []


def test_two_folders_in_one_process_are_two_brokers(url, tmp_path):
    other = f"{filesystem_transport.SCHEME}://{tmp_path / 'other'}"
    with Connection(url) as first, Connection(other) as second:
        first.SimpleQueue("work").put("first")
        second.SimpleQueue("work").put("second")
        assert second.SimpleQueue("work").get(timeout=1).payload == "second"
        assert first.SimpleQueue("work").get(timeout=1).payload == "first"


def test_a_url_without_a_folder_means_the_data_folder(settings, tmp_path):
    settings.REGISTRY_DATA_DIR = tmp_path / "data"
    filesystem_transport.register()
    filesystem_transport.Transport.states.pop("/", None)
    with Connection(f"{filesystem_transport.SCHEME}://") as connection:
        connection.SimpleQueue("work").put("here")
    assert len(messages(tmp_path / "data" / "broker")) == 1
