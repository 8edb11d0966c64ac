"""Who may reach the page: whoever has the token, from the address that was printed. It serves nothing."""

from __future__ import annotations

import hmac
import ipaddress
import secrets
import socket
from dataclasses import dataclass, field
from urllib.parse import urlsplit


def is_loopback(host: str) -> bool:
    """Nobody but this machine reaches it."""
    return host == "localhost" or ((address := _address(host)) is not None and address.is_loopback)


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _secret() -> str:
    return secrets.token_urlsafe(32)


@dataclass(frozen=True)
class Access:
    """Secrets of one run of the server, and the address that it is bound to.

    Attributes:
        host, port: where the server listens.
        token: in the printed address; whoever shows it gets the cookie.
        session: the cookie's value. It is another secret, so that no page ever holds the token.
    """

    host: str
    port: int
    token: str = field(default_factory=_secret, repr=False)
    session: str = field(default_factory=_secret, repr=False)

    @property
    def cookie(self) -> str:
        """The cookie's name: browsers do not keep the cookies of a machine's ports apart."""
        return f"depthflow_{self.port}"

    @property
    def url(self) -> str:
        """What to open."""
        address = _address(self.host)
        host = socket.gethostname() if address is not None and address.is_unspecified else self.host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}/?token={self.token}"

    def is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(errors="replace"), self.token.encode())

    def is_session(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(errors="replace"), self.session.encode())

    def is_ours(self, host: str) -> bool:
        """Whether a Host header means this server, and not a name that somebody made point here.

        An address written in digits cannot be made to point elsewhere; of names, only this machine's own count.
        """
        if any(letter in host for letter in "@/?#\\ "):
            return False
        try:
            parts = urlsplit(f"//{host}")
            name, port = parts.hostname or "", parts.port or 80
        except ValueError:
            return False
        if port != self.port:
            return False
        if is_loopback(self.host):
            return is_loopback(name)
        own = {self.host.lower(), "localhost", socket.gethostname().lower(), socket.getfqdn().lower()}
        return name in own or _address(name) is not None

    def is_same_origin(self, origin: str, host: str) -> bool:
        """Whether a page of this server asks, and not one of another place; `host` is the request's own."""
        return origin.lower() == f"http://{host}".lower()
