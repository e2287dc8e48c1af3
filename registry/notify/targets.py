"""Where a webhook may lead: the form of its URL and the addresses it may reach.

Standard library only: the registry checks the form when a URL is given, and the sender checks every
address at the moment of connecting.
"""

import re
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_network,
)

from registry.core.errors import InvalidInputError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

LONGEST_URL = 500
PORTS = frozenset({443, 8443})
"""Where the public web listens with TLS (chosen); any port where private targets are allowed."""

DEFAULT_PORTS = {"https": 443, "http": 80}

URL = re.compile(
    r"(?P<scheme>https?)://"
    r"(?P<host>\[[0-9a-f:.]+\]|[a-z0-9.-]+)"
    r"(?::(?P<port>[1-9][0-9]{0,4}))?"
    r"(?P<path>/[a-z0-9/._~!$&'()*+,;=:@%-]*)?"
    r"(?P<query>\?[a-z0-9/?._~!$&'()*+,;=:@%-]*)?",
    re.IGNORECASE | re.ASCII,
)
NAME = re.compile(
    r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*"
)
NUMERIC = re.compile(r"[0-9]+|0x[0-9a-f]*")
"""A last label like this makes a resolver read the name as an IPv4 address."""

HERE = (".localhost", ".local", ".localdomain", ".internal", ".intranet", ".home.arpa")
"""Endings of names that are never public."""


def _networks(*texts: str) -> tuple[Network, ...]:
    return tuple(ip_network(text) for text in texts)


PRIVATE = _networks(
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "127.0.0.0/8",
    "100.64.0.0/10",
    "::1/128",
    "fc00::/7",
)
"""What ``WEBHOOK_ALLOW_PRIVATE`` opens: loopback, private networks, carrier-grade NAT."""

NEVER_IPV4 = _networks(
    "0.0.0.0/8",
    "169.254.0.0/16",  # link-local, where clouds keep their metadata service
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.31.196.0/24",
    "192.52.193.0/24",
    "192.88.99.0/24",
    "192.175.48.0/24",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
)
"""The rest of the special-purpose registry of IPv4 (RFC 6890), multicast and reserved."""

GLOBAL_IPV6 = IPv6Network("2000::/3")
NEVER_IPV6 = _networks("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
"""Inside 2000::/3: protocol assignments with Teredo, documentation, 6to4.

Everything outside it (mapped, compatible and translated IPv4 among it) is refused by that alone.
Python's own ``is_global`` is not asked: 3.11 takes several of these for global.
"""


@dataclass(frozen=True)
class Target:
    """A URL in its parts; ``address`` is set where the host is an address already."""

    scheme: str
    host: str
    port: int
    path: str
    address: Address | None = None

    @property
    def authority(self) -> str:
        """What the Host header says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        """The URL without path and query, which may hold a secret."""
        return f"{self.scheme}://{self.authority}"


def parse_target(url: str, *, allow_private: bool) -> Target:
    """Return the parts of a webhook's URL.

    Raises:
        InvalidInputError: ``invalid_webhook_url`` for its form, ``target_not_allowed`` for where
            it leads, as far as the URL alone says.
    """
    found = URL.fullmatch(url) if len(url) <= LONGEST_URL else None
    if found is None:
        raise _malformed(_what_is_wrong(url))
    scheme = found["scheme"].lower()
    port = int(found["port"] or DEFAULT_PORTS[scheme])
    host = found["host"].lower()
    address = _literal(host)
    if address is None:
        _require_name(host, allow_private=allow_private)
    else:
        require_allowed(address, allow_private=allow_private)
    _require_service(scheme, port, allow_private=allow_private)
    path = (found["path"] or "/") + (found["query"] or "")
    return Target(scheme, str(address or host), port, path, address)


def require_allowed(address: Address, *, allow_private: bool) -> None:
    """Refuse an address that is not on the public internet.

    Raises:
        InvalidInputError: ``target_not_allowed``.
    """
    if any(address in network for network in PRIVATE):
        if not allow_private:
            raise _not_allowed(f"{address} is private to this network")
    elif not _is_public(address):
        raise _not_allowed(f"{address} is not a public address")


def _is_public(address: Address) -> bool:
    if isinstance(address, IPv4Address):
        return not any(address in network for network in NEVER_IPV4)
    if address.scope_id is not None or address not in GLOBAL_IPV6:
        return False
    return not any(address in network for network in NEVER_IPV6)


def _literal(host: str) -> Address | None:
    """Return the address that a host is, or None where it is a name."""
    try:
        if host.startswith("["):
            return IPv6Address(host[1:-1])
        if NUMERIC.fullmatch(host.rpartition(".")[2]):
            return IPv4Address(host)
        return None
    except ValueError:
        raise _malformed(f"{host[:100]} is no address in its usual form") from None


def _require_name(host: str, *, allow_private: bool) -> None:
    if len(host) > 253 or NAME.fullmatch(host) is None:
        raise _malformed(f"{host[:100]} is no host name")
    is_here = "." not in host or host.endswith(HERE)
    if is_here and not allow_private:
        raise _not_allowed(f"{host} is a name of this network")


def _require_service(scheme: str, port: int, *, allow_private: bool) -> None:
    if port > 65535:
        raise _malformed(f"{port} is no port")
    if allow_private:
        return
    if scheme != "https":
        raise _not_allowed("a webhook goes over https")
    if port not in PORTS:
        listed = ", ".join(str(one) for one in sorted(PORTS))
        raise _not_allowed(f"port {port} is none of {listed}")


def _what_is_wrong(url: str) -> str:
    authority = re.split(r"[/?#]", url.partition("://")[2], maxsplit=1)[0]
    if len(url) > LONGEST_URL:
        return f"a webhook URL has at most {LONGEST_URL} characters"
    if not url.isascii():
        return "a webhook URL is ASCII; write a host name in its xn-- form"
    if "@" in authority:
        return "a webhook URL names no user and no password"
    if "#" in url:
        return "a webhook URL has no fragment"
    return "a webhook URL has the form https://host/path"


def _malformed(detail: str) -> InvalidInputError:
    return InvalidInputError(detail, code="invalid_webhook_url")


def _not_allowed(detail: str) -> InvalidInputError:
    return InvalidInputError(detail, code="target_not_allowed")
