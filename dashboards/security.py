"""Who may ask, and what a browser may do with the answer."""

import hmac
import re
import secrets
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import urlsplit

from flask import Flask, Request, Response, make_response, redirect, request
from itsdangerous import BadSignature, URLSafeTimedSerializer

from qfin.exceptions import InputError

MAX_BODY_BYTES = 48 * 2**20  # an upload of 32 MiB comes as base64
_COOKIE, _COOKIE_SECONDS = "qfin", 12 * 3600
_LEAST_TOKEN = 16
_LOOPBACK_NAMES = {"localhost", "127.0.0.1", "::1"}
_LOGIN = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>qfin: sign in</title>
<meta name="viewport" content="width=device-width, initial-scale=1"></head>
<body style="font-family:system-ui;max-width:26rem;margin:15vh auto;padding:0 1rem"><h1>qfin</h1>
<form method="post" action="/login"><p><label for="token">Token, as the server was started with</label></p>
<p><input id="token" name="token" type="password" autocomplete="current-password" required autofocus></p>
<p><button>Sign in</button></p><p role="alert">{message}</p></form></body></html>"""


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server bound to `host`."""
    if host in _LOOPBACK_NAMES:
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def checked_token(host: str, token: str | None) -> str | None:
    """The token that a server on `host` asks for; None on this machine alone, where none was given."""
    if token is not None and len(token) < _LEAST_TOKEN:
        raise InputError(f"--token: expected at least {_LEAST_TOKEN} characters, received {len(token)}")
    if token is None and not is_loopback(host):
        raise InputError(
            f"--host: expected a loopback address such as 127.0.0.1, or a token (--token or QFIN_TOKEN), "
            f"received {host} without one"
        )
    return token


@dataclass(frozen=True)
class Guard:
    """Answers every request that must not go through; the signing key lives as long as the server."""

    token: str | None
    key: str = field(default_factory=lambda: secrets.token_urlsafe(32))

    def protect(self, server: Flask, script_hashes: list[str]) -> None:
        """Put the guard and the headers before and after every request of a Flask server."""
        server.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
        headers = _headers(script_hashes)

        @server.before_request
        def check() -> Response | None:
            return self._refusal(request)

        @server.after_request
        def harden(response: Response) -> Response:
            response.headers.update(headers)
            return response

    def _refusal(self, asked: Request) -> Response | None:
        """None where the request may go on."""
        if self.token is None and urlsplit(f"//{asked.host}").hostname not in _LOOPBACK_NAMES:
            # A foreign name that leads to this machine: a page elsewhere that plays for our visitor.
            return make_response("expected a request for localhost", 403)
        origin = asked.headers.get("Origin")
        if asked.method != "GET" and origin is not None and urlsplit(origin).netloc != asked.host:
            return make_response("expected a request from this site", 403)
        if self.token is None or self._knows(asked):
            return None
        if asked.path == "/login" and asked.method == "POST":
            return self._sign_in(asked)
        if asked.method == "GET" and "text/html" in asked.headers.get("Accept", ""):
            return make_response(_LOGIN.format(message=""), 401)
        return make_response("expected a token", 401)

    def _knows(self, asked: Request) -> bool:
        assert self.token is not None
        given = re.fullmatch(r"Bearer (\S+)", asked.headers.get("Authorization", ""))
        if given is not None:
            return hmac.compare_digest(given[1].encode(), self.token.encode())
        try:
            return bool(self._signer.loads(asked.cookies.get(_COOKIE, ""), max_age=_COOKIE_SECONDS) == "in")
        except BadSignature:
            return False

    def _sign_in(self, asked: Request) -> Response:
        assert self.token is not None
        if not hmac.compare_digest(asked.form.get("token", "").encode(), self.token.encode()):
            return make_response(_LOGIN.format(message="This is not the token."), 401)
        response = make_response(redirect("/"))
        response.set_cookie(
            _COOKIE, str(self._signer.dumps("in")), max_age=_COOKIE_SECONDS, httponly=True, samesite="Strict"
        )
        return response

    @property
    def _signer(self) -> URLSafeTimedSerializer:
        return URLSafeTimedSerializer(self.key, salt="qfin-dashboard")


def _headers(script_hashes: list[str]) -> dict[str, str]:
    scripts = " ".join(["'self'", *(f"'{value}'" if not value.startswith("'") else value for value in script_hashes)])
    policy = {
        "default-src": "'self'",
        "script-src": scripts,
        # Mantine, AG Grid and plotly set styles on elements.
        "style-src": "'self' 'unsafe-inline'",
        "img-src": "'self' data: blob:",
        "font-src": "'self' data:",
        "connect-src": "'self'",
        "object-src": "'none'",
        "base-uri": "'none'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
    }
    return {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
    }
