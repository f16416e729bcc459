"""Signature Version 4, against the signatures of botocore."""

from __future__ import annotations

import hashlib
import time
from typing import Any
from urllib.parse import quote

import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from toolkit.local.signature import OWN_SERVICE, Signature, SignedRequest, sign

SECRET = "the-secret"
TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=8)
TARGET = st.tuples(st.lists(TEXT, min_size=1, max_size=3), st.lists(st.tuples(TEXT, TEXT), max_size=4))


def sent(
    auth: Any, url: str, body: bytes = b"", method: str = "POST", **headers: str
) -> tuple[Signature, SignedRequest]:
    """A request as the server sees it, signed by one of botocore's classes."""
    request = AWSRequest(method, url, headers, body)
    auth.add_auth(request)
    host, _, target = request.url.partition("://")[2].partition("/")
    raw = [
        (n.lower().encode(), v if isinstance(v, bytes) else v.encode()) for n, v in request.headers.items()
    ]
    raw.append((b"host", host.encode()))
    scope = {"headers": raw, "query_string": target.partition("?")[2].encode()}
    # The server trusts the hash of an S3 object.
    body_hash = None if "S3" in type(auth).__name__ else hashlib.sha256(body).hexdigest()
    return Signature.of(scope), SignedRequest(method, f"/{target}", raw, body_hash)


@pytest.mark.parametrize(
    ("auth", "method"),
    [(SigV4Auth, "POST"), (S3SigV4Auth, "PUT"), (SigV4QueryAuth, "GET"), (S3SigV4QueryAuth, "GET")],
)
@given(target=TARGET, content=st.binary(max_size=16), header=st.text("aé漢 ~", max_size=8))
def test_botocores_signatures_are_valid(
    auth: Any, method: str, target: tuple[list[str], list[tuple[str, str]]], content: bytes, header: str
) -> None:
    path, query = target
    body = b"" if method == "GET" else content
    service = "s3" if auth in (S3SigV4Auth, S3SigV4QueryAuth) else "lambda"
    url = "http://127.0.0.1:5000/" + "/".join(quote(part, safe="") for part in path)
    if query:
        url += "?" + "&".join(f"{quote(k, safe='')}={quote(v, safe='')}" for k, v in query)
    signer = auth(Credentials("key", SECRET), service, "eu-west-1")
    signature, request = sent(signer, url, body, method, **{"x-a": header})
    assert (signature.access_key, signature.region, signature.service) == ("key", "eu-west-1", service)
    assert signature.not_current(time.time()) == ""
    assert signature.matches(request, SECRET)
    assert not signature.matches(request, "another secret")


def test_every_part_of_the_request_is_signed() -> None:
    auth = SigV4Auth(Credentials("key", SECRET, "token"), "lambda", "us-east-1")
    signature, request = sent(auth, "http://h/functions/a?b=1", b"{}", **{"x-amz-target": "A.B"})
    headers = list(request.headers)
    changed = [(name, b"A.C" if name == b"x-amz-target" else value) for name, value in headers]
    altered = [
        SignedRequest("GET", request.target, headers, request.body_hash),
        SignedRequest("POST", "/functions/b?b=1", headers, request.body_hash),
        SignedRequest("POST", "/functions/a?b=2", headers, request.body_hash),
        SignedRequest("POST", "/functions/a?b=1&c", headers, request.body_hash),
        SignedRequest("POST", request.target, changed, request.body_hash),
        SignedRequest("POST", request.target, [*headers, (b"x-amz-target", b"A.C")], request.body_hash),
        SignedRequest("POST", request.target, headers, hashlib.sha256(b"[]").hexdigest()),
    ]
    assert signature.session_token == "token"
    assert signature.matches(request, SECRET)
    assert [other.target for other in altered if signature.matches(other, SECRET)] == []


def test_a_declared_hash_must_be_the_bodys() -> None:
    auth = S3SigV4Auth(Credentials("key", SECRET), "s3", "us-east-1")
    signature, request = sent(auth, "http://h/bucket/key", b"content")
    assert signature.matches(SignedRequest("POST", request.target, request.headers, None), SECRET)
    other = hashlib.sha256(b"other").hexdigest()
    assert not signature.matches(SignedRequest("POST", request.target, request.headers, other), SECRET)


@pytest.mark.parametrize(
    "authorization",
    [
        ["Bearer local"],
        ["AWS4-HMAC-SHA256 Credential=local"],
        # moto reads the service from the first member.
        ["AWS4-HMAC-SHA256 SignedHeaders=host, Credential=a/20260101/r/s3/aws4_request, Signature=0"],
        ["AWS4-HMAC-SHA256 Credential=a/20260101/r/s3/aws4_request, SignedHeaders=host, Signature=0"] * 2,
    ],
)
def test_other_authorization_headers_are_no_signature(authorization: list[str]) -> None:
    headers = [(b"authorization", value.encode()) for value in authorization]
    assert Signature.of({"headers": headers}).access_key == ""


@pytest.mark.parametrize(
    ("service", "age", "expected"),
    [
        ("lambda", 290, ""),
        ("lambda", 310, "Signature expired: "),
        ("lambda", -310, "Signature not yet current: "),
        ("s3", 890, ""),
        ("s3", 910, "Signature expired: "),
    ],
)
def test_signatures_expire(service: str, age: int, expected: str) -> None:
    signature, _ = sent(SigV4Auth(Credentials("key", SECRET), service, "us-east-1"), "http://h/")
    assert signature.not_current(time.time() + age).startswith(expected)
    assert bool(signature.not_current(time.time() + age)) is bool(expected)


def test_presigned_urls_expire_when_they_say() -> None:
    auth = S3SigV4QueryAuth(Credentials("key", SECRET), "s3", "us-east-1", expires=3600)
    signature, _ = sent(auth, "http://h/bucket/key")
    assert signature.presigned
    assert signature.not_current(time.time() + 3590) == ""
    assert signature.not_current(time.time() + 3610).startswith("Signature expired: ")


@pytest.mark.parametrize(("time_", "date"), [("", "20260101"), ("20260101T000000Z", "20260102"), ("x", "x")])
def test_the_date_must_be_that_of_the_request(time_: str, date: str) -> None:
    assert Signature("key", time=time_, date=date).not_current(0).startswith("Date in ")


def test_the_clients_own_requests_are_valid() -> None:
    url = "http://127.0.0.1:5000/_toolkit/iam/decisions?after=1"
    headers = {"host": "127.0.0.1:5000", **sign(SECRET, "POST", url, b"{}")}
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    signature = Signature.of({"headers": raw})
    request = SignedRequest("POST", "/_toolkit/iam/decisions?after=1", raw, hashlib.sha256(b"{}").hexdigest())
    assert (signature.service, signature.not_current(time.time())) == (OWN_SERVICE, "")
    assert signature.matches(request, SECRET)


@pytest.mark.parametrize("damage", ["X-Amz-Signature=%C3%A9", "X-Amz-SignedHeaders=host;%E2%82%AC"])
def test_presigned_urls_with_other_characters_are_unsigned(damage: str) -> None:
    signature, _ = sent(SigV4QueryAuth(Credentials("key", SECRET), "s3", "us-east-1"), "http://h/b/k")
    parameters = {
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": "key/20261130/us-east-1/s3/aws4_request",
        "X-Amz-Date": "20261130T000000Z",
        "X-Amz-SignedHeaders": "host",
        "X-Amz-Signature": signature.value,
    }
    query = "&".join(f"{name}={quote(value)}" for name, value in parameters.items())
    assert Signature.of({"headers": [], "query_string": query.encode()}).access_key == "key"
    name = damage.partition("=")[0]
    damaged = "&".join(damage if part.startswith(name) else part for part in query.split("&"))
    assert Signature.of({"headers": [], "query_string": damaged.encode()}).access_key == ""
