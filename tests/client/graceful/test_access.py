"""The way in: the environment wins, what is kept is kept to its owner, and goes nowhere else."""

import json
import stat

import pytest
from graceful.access import Access, access, login_file, save
from graceful.errors import UsageError


@pytest.fixture
def environment(tmp_path):
    return {"XDG_CONFIG_HOME": str(tmp_path)}


@pytest.fixture
def kept(environment):
    save(Access("https://registry.example", "grt_abc_kept"), login_file(environment))
    return environment


def test_nothing_at_all_says_how_to_log_in(environment):
    with pytest.raises(UsageError, match="graceful login") as caught:
        access(environment)

    assert caught.value.code == "not_logged_in"


def test_a_login_is_kept_in_a_file_that_only_its_owner_reads(kept):
    path = login_file(kept)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]
    assert access(kept) == Access("https://registry.example", "grt_abc_kept")


def test_a_second_login_takes_the_place_of_the_first(kept):
    save(Access("https://other.example", "grt_abc_other"), login_file(kept))

    assert access(kept).url == "https://other.example"


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_a_login_that_others_can_read_is_refused(kept, mode):
    login_file(kept).chmod(mode)

    with pytest.raises(UsageError) as caught:
        access(kept)

    assert caught.value.code == "login_exposed"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"url": "https://a"}'])
def test_a_broken_login_is_named(kept, text):
    login_file(kept).write_text(text)

    with pytest.raises(UsageError, match="graceful login"):
        access(kept)


def test_the_environment_wins(kept):
    given = kept | {"GRACEFUL_URL": "https://ci.example/", "GRACEFUL_TOKEN": "grt_abc_ci"}

    assert access(given) == Access("https://ci.example", "grt_abc_ci")


def test_a_token_from_the_environment_goes_to_the_kept_address(kept):
    found = access(kept | {"GRACEFUL_TOKEN": "grt_abc_ci"})

    assert found == Access("https://registry.example", "grt_abc_ci")


def test_the_kept_token_goes_to_no_other_address(kept):
    with pytest.raises(UsageError):
        access(kept | {"GRACEFUL_URL": "https://evil.example"})

    assert access(kept | {"GRACEFUL_URL": "https://registry.example/"}).token == "grt_abc_kept"


@pytest.mark.parametrize("url", ["registry.example", "ftp://registry.example", "file:///etc"])
def test_an_address_is_http(environment, url):
    with pytest.raises(UsageError):
        access(environment | {"GRACEFUL_URL": url, "GRACEFUL_TOKEN": "grt_abc_x"})


def test_the_prefix_of_a_token_is_no_secret():
    assert Access("https://a.example", "grt_0123456789_se_cret").token_prefix == "0123456789"
    assert Access("https://a.example", "nonsense").token_prefix == ""


def test_the_kept_file_is_plain_json(kept):
    assert json.loads(login_file(kept).read_text()) == {
        "url": "https://registry.example",
        "token": "grt_abc_kept",
    }
