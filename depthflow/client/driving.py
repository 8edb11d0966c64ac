"""What both drivers share: how a request is written, and how httpx is set up for a daemon. Nothing here waits."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx

from depthflow import __version__
from depthflow.client.address import Address
from depthflow.client.steps import Call, Reply

CONNECT_S = 5.0
TIMEOUT_S = 30.0
STREAM_S = 60.0
"""Silence on a stream after which the connection counts as lost; the daemon says something every few seconds."""


def options(address: Address, timeout: float) -> dict[str, Any]:
    """For httpx.Client and httpx.AsyncClient, but for the transport.

    A daemon is spoken to directly: a proxy from the environment would see the token, and cannot reach a socket.
    """
    headers = {"User-Agent": f"depthflow/{__version__}"}
    if address.token is not None:
        headers["Authorization"] = f"Bearer {address.token}"
    return {
        "base_url": address.url,
        "headers": headers,
        "timeout": httpx.Timeout(timeout, connect=CONNECT_S),
        "follow_redirects": False,
        "trust_env": False,
    }


def transport_options(address: Address) -> dict[str, Any]:
    """For httpx.HTTPTransport and its twin: the socket, or the certificates that this machine trusts."""
    if address.url.startswith("https:"):
        return {"verify": ssl.create_default_context()}
    # httpx would read them for nothing: 60 ms, and a failure where SSL_CERT_FILE names no file.
    return {"verify": False} | ({} if address.socket is None else {"uds": str(address.socket)})


def request(http: httpx.Client | httpx.AsyncClient, call: Call, opened: ExitStack) -> httpx.Request:
    """The request as httpx sends it; the files that it reads from are closed with `opened`."""
    parts: dict[str, Any] = {}
    headers: Mapping[str, str] = call.headers
    if call.json is not None:
        parts["content"] = call.json.encode()
        headers = {**headers, "Content-Type": "application/json"}
    if call.files:
        parts["data"] = dict(call.form)
        parts["files"] = {
            name: (file.name, opened.enter_context(file.content.open("rb")))
            if isinstance(file.content, Path)
            else (file.name, file.content)
            for name, file in call.files.items()
        }
    params = {name: value for name, value in call.params.items() if value is not None}
    return http.build_request(call.method, call.path, params=params, headers=headers, **parts)


def patient(request: httpx.Request) -> httpx.Request:
    """The same request, whose answer may come in pieces with pauses between."""
    request.extensions["timeout"] = httpx.Timeout(STREAM_S, connect=CONNECT_S).as_dict()
    return request


def reply(response: httpx.Response, body: bytes) -> Reply:
    return Reply(response.status_code, {name.lower(): value for name, value in response.headers.items()}, body)
