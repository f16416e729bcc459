"""Signature Version 4, with which a client proves that it has the secret of its access key.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html

Imports the standard library only: commands sign their requests to the cloud with it.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from calendar import timegm
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qs, quote, unquote_to_bytes

DEFAULT_REGION = "us-east-1"
# The account's root user, for the user who runs the cloud. Its secret is new at each start.
ROOT_ACCESS_KEY = "local"
# Signing name of the cloud's own paths, `/_toolkit/…`.
OWN_SERVICE = "toolkit"
_UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"

_ALGORITHM = "AWS4-HMAC-SHA256"
_TIME = "%Y%m%dT%H%M%SZ"
_CREDENTIAL = r"(?P<key>[^/=,\s]+)/(?P<date>\d{8})/(?P<region>[^/,\s]+)/(?P<service>[^/,\s]+)/aws4_request"
# In the order in which moto, too, reads the service from it.
_AUTHORIZATION = re.compile(
    rf"{_ALGORITHM} Credential={_CREDENTIAL},\s*SignedHeaders=(?P<headers>[^,\s]+),\s*"
    r"Signature=(?P<value>[0-9a-f]+)",
    re.ASCII,
)
# How old a request may be when it arrives: "within five minutes of the time stamp in the request" (page
# above); 15 for S3 (RequestTimeTooSkewed, docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html).
_SKEW_SECONDS = 300
_S3_SKEW_SECONDS = 900

RawHeaders = Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True)
class SignedRequest:
    """The parts of a request that a signature covers.

    Attributes:
        method: the HTTP method.
        target: path and query as sent.
        headers: all headers, names in lower case.
        body_hash: SHA-256 of the body; None to trust the one in its header.
    """

    method: str
    target: str
    headers: RawHeaders
    body_hash: str | None


@dataclass(frozen=True)
class Signature:
    """The signature of a request as it was sent, for `matches` to verify.

    Attributes:
        access_key: its id; empty if the request is unsigned.
        session_token: empty for a user's key.
        region: the signing region; the default region if unsigned.
        service: the signing name, such as `monitoring` for CloudWatch; empty if unsigned.
        presigned: whether it is in the URL.
        date, time: of the signature, `YYYYMMDD` and `YYYYMMDDTHHMMSSZ`.
        expires: how many seconds a presigned URL is valid.
        headers: names of the signed headers.
    """

    access_key: str = ""
    session_token: str = ""
    region: str = DEFAULT_REGION
    service: str = ""
    presigned: bool = False
    date: str = ""
    time: str = ""
    expires: int = 0
    headers: tuple[str, ...] = ()
    value: str = field(default="", repr=False)

    @classmethod
    def of(cls, scope: Mapping[str, Any]) -> Signature:
        """Parse the Authorization header of an ASGI request, or the query string of a presigned URL.

        A request with two Authorization headers, or with one in another format, is unsigned.
        """
        authorization = _values(scope["headers"], "authorization")
        if not authorization:
            return _presigned(bytes(scope.get("query_string", b"")).decode("latin1"))
        token = _values(scope["headers"], "x-amz-security-token")
        sent_at = _values(scope["headers"], "x-amz-date")
        return _signed(",".join(authorization), ",".join(token), ",".join(sent_at))

    def not_current(self, now: float) -> str:
        """Why the signature is not valid at this time, as AWS words it; empty if it is."""
        try:
            signed_at = timegm(time.strptime(self.time, _TIME))
        except ValueError:
            return "Date in the request is missing or malformed."
        if self.date != self.time[:8]:
            return f"Date in Credential scope does not match the date of the request: {self.time}"
        skew = _S3_SKEW_SECONDS if self.service == "s3" else _SKEW_SECONDS
        if signed_at > now + skew:
            return f"Signature not yet current: {self.time} is still later than {_format(now + skew)}"
        age = self.expires if self.presigned else skew
        if signed_at + age < now:
            return f"Signature expired: {self.time} is now earlier than {_format(now - age)}"
        return ""

    def matches(self, request: SignedRequest, secret: str) -> bool:
        """Whether it is the signature of this request with this secret."""
        declared = ",".join(_values(request.headers, "x-amz-content-sha256"))
        payload = declared or request.body_hash or _UNSIGNED_PAYLOAD
        is_hash = re.fullmatch("[0-9a-f]{64}", payload) is not None
        if "host" not in self.headers or (is_hash and request.body_hash not in (None, payload)):
            return False
        return hmac.compare_digest(self.calculate(request, secret, payload), self.value)

    def calculate(self, request: SignedRequest, secret: str, payload: str) -> str:
        """The value of the signature.

        Args:
            request: the request; its headers may be incomplete.
            secret: of the access key.
            payload: SHA-256 of the body, or what the client signs instead.
        """
        path, _, query = request.target.partition("?")
        lines = [request.method, _canonical_path(path, self.service), _canonical_query(query)]
        for name in self.headers:
            values = (re.sub(" +", " ", value.strip(" ")) for value in _values(request.headers, name))
            lines.append(f"{name}:{','.join(values)}")
        lines += ["", ";".join(self.headers), payload]
        digest = hashlib.sha256("\n".join(lines).encode("latin1")).hexdigest()
        scope = f"{self.date}/{self.region}/{self.service}/aws4_request"
        key = _signing_key(secret, self.date, self.region, self.service)
        return _hmac(key, f"{_ALGORITHM}\n{self.time}\n{scope}\n{digest}").hex()


def sign(secret: str, method: str, url: str, body: bytes = b"") -> dict[str, str]:
    """The headers that sign a request to the cloud's own paths, as the root user.

    Args:
        secret: the root user's.
        method: the HTTP method.
        url: of the request, percent-encoded.
        body: the whole body.
    """
    host, _, target = url.partition("://")[2].partition("/")
    now = _format(time.time())
    signature = Signature(
        ROOT_ACCESS_KEY, service=OWN_SERVICE, date=now[:8], time=now, headers=("host", "x-amz-date")
    )
    headers = [(b"host", host.encode()), (b"x-amz-date", now.encode())]
    body_hash = hashlib.sha256(body).hexdigest()
    request = SignedRequest(method, f"/{target}", headers, body_hash)
    value = signature.calculate(request, secret, body_hash)
    credential = f"{ROOT_ACCESS_KEY}/{signature.date}/{signature.region}/{OWN_SERVICE}/aws4_request"
    parts = f"Credential={credential}, SignedHeaders={';'.join(signature.headers)}, Signature={value}"
    return {"x-amz-date": now, "authorization": f"{_ALGORITHM} {parts}"}


# Several routes parse the signature of the same request.
@lru_cache(maxsize=64)
def _signed(authorization: str, token: str, sent_at: str) -> Signature:
    match = _AUTHORIZATION.fullmatch(authorization)
    if match is None:
        return Signature()
    return _matched(match, token, sent_at, match["headers"], match["value"])


@lru_cache(maxsize=64)
def _presigned(query: str) -> Signature:
    values = parse_qs(query)

    def value(name: str) -> str:
        return values.get(name, [""])[0]

    match = re.fullmatch(_CREDENTIAL, value("X-Amz-Credential"), re.ASCII)
    if match is None or value("X-Amz-Algorithm") != _ALGORITHM:
        return Signature()
    signature = _matched(
        match,
        value("X-Amz-Security-Token"),
        value("X-Amz-Date"),
        value("X-Amz-SignedHeaders"),
        value("X-Amz-Signature"),
    )
    if not all(map(str.isascii, (query, signature.value, *signature.headers))):
        return Signature()
    # At most a week (docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html).
    seconds = value("X-Amz-Expires")
    expires = min(int(seconds), 604_800) if re.fullmatch(r"\d{1,6}", seconds, re.ASCII) else 0
    return replace(signature, presigned=True, expires=expires)


def _matched(match: re.Match[str], token: str, sent_at: str, headers: str, value: str) -> Signature:
    return Signature(
        match["key"],
        token,
        match["region"],
        match["service"].lower(),
        date=match["date"],
        time=sent_at,
        headers=tuple(headers.split(";")),
        value=value,
    )


def _values(headers: RawHeaders, name: str) -> list[str]:
    raw_name = name.encode("latin1")
    return [value.decode("latin1") for header, value in headers if header == raw_name]


def _canonical_path(path: str, service: str) -> str:
    if service == "s3":
        return "/".join(quote(unquote_to_bytes(segment), safe="~") for segment in path.split("/"))
    # Encoded a second time, without dot segments.
    return quote("/".join(_without_dots(path)), safe="/~")


def _without_dots(path: str) -> Iterator[str]:
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            kept = kept[:-1]
        elif segment not in ("", "."):
            kept.append(segment)
    yield ""
    yield from kept
    if path.endswith("/") or not kept:
        yield ""


def _canonical_query(query: str) -> str:
    pairs = (pair.partition("=")[::2] for pair in query.split("&") if pair)
    encoded = sorted([quote(unquote_to_bytes(part), safe="~") for part in pair] for pair in pairs)
    return "&".join(f"{name}={value}" for name, value in encoded if name != "X-Amz-Signature")


@lru_cache(maxsize=64)
def _signing_key(secret: str, *scope: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (*scope, "aws4_request"):
        key = _hmac(key, part)
    return key


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")


def _format(seconds: float) -> str:
    return time.strftime(_TIME, time.gmtime(seconds))
