"""A generated secret is made once, whole, and for its owner only."""

import stat
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from registry.core.secrets import secret


def test_a_secret_stays_the_same(tmp_path):
    first = secret(tmp_path, "secret_key")
    assert len(first) >= 50
    assert secret(tmp_path, "secret_key") == first
    assert secret(tmp_path, "search_secret") != first


def test_only_the_owner_may_read_a_secret(tmp_path):
    secret(tmp_path / "data", "secret_key")
    assert stat.S_IMODE((tmp_path / "data" / "secret_key").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700


def test_processes_that_start_together_agree_on_one_secret(tmp_path):
    for round_ in range(30):
        together = Barrier(8)

        def read(name, together=together):
            together.wait()
            return secret(tmp_path, name)

        with ThreadPoolExecutor(8) as pool:
            answers = set(pool.map(read, [f"key-{round_}"] * 8))
        assert answers == {(tmp_path / f"key-{round_}").read_text()}
    assert [path for path in tmp_path.iterdir() if path.name.startswith(".")] == []
