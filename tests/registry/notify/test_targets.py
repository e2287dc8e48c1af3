"""Which URLs a webhook may have, and which addresses it may reach."""

import json
from ipaddress import ip_address
from pathlib import Path

import pytest

from registry.core.errors import InvalidInputError
from registry.notify.targets import parse_target, require_allowed

CORPUS = json.loads((Path(__file__).parent / "hostile_targets.json").read_text(encoding="utf-8"))
"""By code: URLs that are refused for it before any name is looked up."""

REFUSED = [(url, code) for code, urls in CORPUS.items() for url in urls]


def code_of(url, *, allow_private=False):
    with pytest.raises(InvalidInputError) as refused:
        parse_target(url, allow_private=allow_private)
    return refused.value.code


def test_the_corpus_is_large_and_names_nothing_twice():
    urls = [url for url, _ in REFUSED]

    assert len(urls) == len(set(urls)) >= 150


@pytest.mark.parametrize(("url", "code"), REFUSED)
def test_a_url_that_leads_elsewhere_than_it_seems_or_to_us_is_refused(url, code):
    assert code_of(url) == code


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("https://hooks.example.com", ("hooks.example.com", 443, "/")),
        ("https://hooks.example.com/a/b?c=d&e", ("hooks.example.com", 443, "/a/b?c=d&e")),
        ("HTTPS://Hooks.Example.COM:8443/", ("hooks.example.com", 8443, "/")),
        ("https://xn--bcher-kva.example/%E2%82%AC", ("xn--bcher-kva.example", 443, "/%E2%82%AC")),
        ("https://8.8.8.8/", ("8.8.8.8", 443, "/")),
        ("https://[2606:4700:4700:0::1111]:443/", ("2606:4700:4700::1111", 443, "/")),
        ("https://a?x", ("a", 443, "/?x")),
    ],
)
def test_a_url_is_taken_apart(url, parts):
    target = parse_target(url, allow_private=url == "https://a?x")

    assert (target.host, target.port, target.path) == parts


def test_host_header_and_origin_name_the_port_only_where_it_is_not_the_usual_one():
    plain = parse_target("https://hooks.example.com:443/secret?token=1", allow_private=False)
    odd = parse_target("https://[2606:4700:4700::1111]:8443/x", allow_private=False)

    assert (plain.authority, plain.origin) == ("hooks.example.com", "https://hooks.example.com")
    assert odd.authority == "[2606:4700:4700::1111]:8443"


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:8000/hook",
        "http://127.0.0.1:1/",
        "https://10.1.2.3:5000/",
        "http://[::1]:9000/",
        "http://[fd00::1]/",
        "http://100.64.0.1/",
        "http://receiver:8080/",
    ],
)
def test_private_targets_are_allowed_where_the_setting_says_so(url):
    assert code_of(url) == "target_not_allowed"

    parse_target(url, allow_private=True)


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://[fe80::1]/",
        "http://0.0.0.0:8000/",
        "http://[::]/",
        "http://224.0.0.1/",
        "http://255.255.255.255/",
        "http://[::ffff:127.0.0.1]/",
        "http://[ff02::1]/",
    ],
)
def test_metadata_multicast_and_mapped_addresses_are_refused_even_then(url):
    assert code_of(url, allow_private=True) == "target_not_allowed"


@pytest.mark.parametrize(
    "address",
    ["1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255"]
    + ["128.0.0.0", "169.253.255.255", "172.15.255.255", "172.32.0.0", "192.167.255.255"]
    + ["192.169.0.0", "198.17.255.255", "198.20.0.0", "223.255.255.255", "2001:200::", "2003::"]
    + ["2001:db7:ffff::", "2001:db9::", "3ffe:ffff::", "2a00:1450:4001::1"],
)
def test_the_neighbours_of_what_is_refused_are_public(address):
    require_allowed(ip_address(address), allow_private=False)


@pytest.mark.parametrize(
    "address",
    ["10.0.0.0", "10.255.255.255", "100.64.0.0", "100.127.255.255", "127.0.0.0", "127.255.255.255"]
    + ["169.254.0.0", "169.254.255.255", "172.16.0.0", "172.31.255.255", "192.168.0.0"]
    + ["192.168.255.255", "192.0.0.0", "192.0.2.255", "192.88.99.1", "198.18.0.0"]
    + ["198.19.255.255", "198.51.100.0", "203.0.113.255", "224.0.0.0", "239.255.255.255"]
    + ["240.0.0.0", "255.255.255.255", "0.0.0.0", "0.255.255.255"]
    + ["::", "::1", "::7f00:1", "::ffff:8.8.8.8", "64:ff9b::808:808", "64:ff9b:1::1", "100::1"]
    + ["1fff:ffff::", "2001::1", "2001:1ff:ffff::", "2001:db8::", "2002::", "2002:7f00:1::"]
    + ["2002:ffff::", "3fff::", "3fff:fff::", "4000::", "5f00::1", "fc00::", "fdff::1"]
    + ["fe80::1", "fe80::1%eth0", "2606:4700::1%eth0", "fec0::1", "ff02::1", "ffff::"],
)
def test_special_addresses_are_refused_from_their_first_to_their_last(address):
    with pytest.raises(InvalidInputError) as refused:
        require_allowed(ip_address(address), allow_private=False)

    assert refused.value.code == "target_not_allowed"
