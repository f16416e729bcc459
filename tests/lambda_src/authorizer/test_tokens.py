"""JWTs with real keys, and an issuer on loopback."""

from __future__ import annotations

import base64
import hashlib
import hmac
import importlib.util
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import authorizer.handler
import jwt
import pytest
from authorizer.issuer import (
    MAX_BYTES,
    REFRESH_SECONDS,
    RETRY_SECONDS,
    STALE_SECONDS,
    IssuerKeys,
    UnavailableError,
)
from authorizer.tokens import ForbiddenError, RefusedError, Settings, Tokens, is_jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from tests.support.issuer import AUDIENCE, DISCOVERY, KEYS, Issuer

ARN = "arn:aws:execute-api:us-east-1:123456789012:a1b2c3/live/POST/v1/chat/completions"
DIGEST = "0123456789abcdef" * 2
ALGORITHMS = ["RS256", "PS384", "ES256", "ES384", "ES512", "EdDSA"]


@dataclass
class Clock:
    now: float = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    issuer = Issuer()
    issuer.add_key("one")
    yield issuer
    issuer.stop()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def settings(issuer: Issuer, **members: Any) -> dict[str, Any]:
    regular = {
        "issuer": issuer.url,
        "audience": [AUDIENCE],
        "algorithms": ALGORITHMS,
        "leeway_seconds": 60,
        "key_digest": DIGEST,
        "default_usage_plan": "default",
    }
    return {**regular, **members}


def tokens_of(issuer: Issuer, clock: Clock | None = None, **members: Any) -> Tokens:
    values = settings(issuer, **members)
    keys = IssuerKeys(issuer.url, values.get("jwks_url"), clock or Clock())
    return Tokens(Settings(**values), keys)


def load_handler(monkeypatch: pytest.MonkeyPatch, issuer: Issuer, **members: Any) -> ModuleType:
    """The handler's module with an issuer; it reads its settings when it is imported."""
    monkeypatch.setenv("JWT", json.dumps(settings(issuer, **members)))
    spec = importlib.util.spec_from_file_location("fresh_handler", str(authorizer.handler.__file__))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def event(**headers: str) -> dict[str, Any]:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return {"type": "REQUEST", "headers": names, "methodArn": ARN}


def test_a_valid_token_names_the_key_of_its_usage_plan(
    monkeypatch: pytest.MonkeyPatch, issuer: Issuer
) -> None:
    handler = load_handler(monkeypatch, issuer, claim="groups", usage_plans=[["team", "trial"]])
    token = issuer.token("one", groups=["staff", "team"])
    response = handler.handler(event(authorization=f"Bearer {token}"), None)
    assert response["usageIdentifierKey"] == f"jwt-trial-{DIGEST}"
    assert response["context"]["keyName"] == "jwt/trial"
    (statement,) = response["policyDocument"]["Statement"]
    assert statement["Effect"] == "Allow"
    # Neither the token nor the person.
    assert "alice" not in json.dumps(response)
    assert token not in json.dumps(response)


def test_of_refused_tokens_only_the_reason_is_logged(
    monkeypatch: pytest.MonkeyPatch, issuer: Issuer, capsys: pytest.CaptureFixture[str]
) -> None:
    handler = load_handler(monkeypatch, issuer)
    token = issuer.token("one", exp=int(time.time()) - 3600)
    with pytest.raises(Exception, match=r"^Unauthorized$") as refused:
        handler.handler(event(authorization=f"Bearer {token}"), None)
    assert refused.value.__suppress_context__
    assert json.loads(capsys.readouterr().out)["reason"] == "ExpiredSignatureError"


def test_valid_tokens_without_a_usage_plan_are_forbidden(
    monkeypatch: pytest.MonkeyPatch, issuer: Issuer
) -> None:
    handler = load_handler(monkeypatch, issuer, default_usage_plan=None)
    response = handler.handler(event(authorization=f"Bearer {issuer.token('one')}"), None)
    assert [statement["Effect"] for statement in response["policyDocument"]["Statement"]] == ["Deny"]
    assert "usageIdentifierKey" not in response


def test_without_the_issuers_keys_the_invocation_fails(
    monkeypatch: pytest.MonkeyPatch, issuer: Issuer
) -> None:
    handler = load_handler(monkeypatch, issuer)
    issuer.responses[KEYS] = (503, {})
    with pytest.raises(UnavailableError):
        handler.handler(event(authorization=f"Bearer {issuer.token('one')}"), None)


def test_keys_keep_working_next_to_tokens(monkeypatch: pytest.MonkeyPatch, issuer: Issuer) -> None:
    handler = load_handler(monkeypatch, issuer)
    token = issuer.token("one")
    for headers, key in [
        ({"authorization": "Bearer my-key"}, "my-key"),
        ({"authorization": "Bearer a.b.c"}, "a.b.c"),
        # The first part is JSON, but not an object.
        ({"authorization": "Bearer MTIz.b.c"}, "MTIz.b.c"),
        # Set on purpose, as for two keys.
        ({"authorization": f"Bearer {token}", "x_api_key": "my-key"}, "my-key"),
    ]:
        assert handler.handler(event(**headers), None)["usageIdentifierKey"] == key
    assert not issuer.requests


@pytest.mark.parametrize("header", ["authorization", "x_api_key"])
@pytest.mark.parametrize("key", [f"jwt-default-{DIGEST}", f"JWT-default-{DIGEST.upper()}"])
@pytest.mark.parametrize("with_issuer", [True, False])
def test_no_client_can_send_the_key_of_callers_with_a_token(
    monkeypatch: pytest.MonkeyPatch, issuer: Issuer, header: str, key: str, with_issuer: bool
) -> None:
    """Its value is not secret. `x-api-key` counts even if another header names a valid key."""
    handler = load_handler(monkeypatch, issuer) if with_issuer else authorizer.handler
    value = f"Bearer {key}" if header == "authorization" else key
    other = {"x_api_key": "my-key"} if header == "authorization" else {"authorization": "Bearer my-key"}
    for headers in ({header: value}, {header: value, **other}):
        with pytest.raises(Exception, match=r"^Unauthorized$"):
            handler.handler(event(**headers), None)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_allowed_algorithms(issuer: Issuer, algorithm: str) -> None:
    issuer.add_key("key", algorithm)
    token = issuer.token("key")
    assert tokens_of(issuer).verify(token).usage_plan == "default"
    others = [other for other in ALGORITHMS if other != algorithm]
    with pytest.raises(RefusedError, match="algorithm not allowed"):
        tokens_of(issuer, algorithms=others).verify(token)


def _encode(document: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).rstrip(b"=").decode()


def test_public_keys_and_no_keys_sign_nothing(issuer: Issuer) -> None:
    issuer.add_key("rsa", "RS256")
    public = issuer.private("rsa").public_key()
    assert isinstance(public, rsa.RSAPublicKey)
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    verifier = tokens_of(issuer)
    for algorithm, signature in [("none", b""), ("None", b""), ("HS256", None)]:
        signed = f"{_encode({'alg': algorithm, 'kid': 'rsa', 'typ': 'JWT'})}.{_encode(issuer.claims())}"
        mac = signature if signature is not None else hmac.digest(pem, signed.encode(), hashlib.sha256)
        token = f"{signed}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"
        assert is_jwt(token)
        with pytest.raises(RefusedError, match="algorithm not allowed"):
            verifier.verify(token)
    assert not issuer.requests
    # Not even if the environment allowed it.
    with pytest.raises(RefusedError, match="unknown key"):
        tokens_of(issuer, algorithms=["HS256"]).verify(token)


def test_a_key_in_the_token_is_not_trusted(issuer: Issuer) -> None:
    foreign = Issuer()
    jwk = foreign.add_key("one")
    headers = {"jwk": jwk, "jku": f"{foreign.url}{KEYS}", "x5u": f"{foreign.url}{KEYS}"}
    token = foreign.token("one", headers, iss=issuer.url)
    foreign.stop()
    with pytest.raises(RefusedError, match="InvalidSignatureError"):
        tokens_of(issuer).verify(token)
    assert not foreign.requests


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"exp": -61}, "ExpiredSignatureError"),
        ({"nbf": 120}, "ImmatureSignatureError"),
        ({"iat": 120}, "ImmatureSignatureError"),
        ({"exp": None}, "MissingRequiredClaimError"),
        ({"sub": None}, "MissingRequiredClaimError"),
        ({"sub": 7}, "InvalidSubjectError"),
        ({"aud": "another"}, "InvalidAudienceError"),
        ({"aud": ["another", "third"]}, "InvalidAudienceError"),
        ({"aud": [7]}, "InvalidAudienceError"),
        ({"aud": []}, "MissingRequiredClaimError"),
        ({"aud": None}, "another audience"),
        ({"aud": None, "client_id": "another"}, "another audience"),
        ({"iss": "https://another.example"}, "another issuer"),
        ({"iss": None}, "another issuer"),
    ],
)
def test_invalid_claims(issuer: Issuer, claims: dict[str, Any], reason: str) -> None:
    now = int(time.time())
    dated = {k: now + v if k in ("exp", "nbf", "iat") and v is not None else v for k, v in claims.items()}
    with pytest.raises(RefusedError, match=f"^{reason}$"):
        tokens_of(issuer).verify(issuer.token("one", **dated))


@pytest.mark.parametrize(
    "claims", [{"aud": [AUDIENCE, "another"]}, {"aud": None, "client_id": AUDIENCE}, {"iat": None}]
)
def test_valid_claims(issuer: Issuer, claims: dict[str, Any]) -> None:
    assert tokens_of(issuer).verify(issuer.token("one", **claims)).usage_plan == "default"


def test_clocks_may_differ_by_the_leeway(issuer: Issuer) -> None:
    now = int(time.time())
    for claims in ({"exp": now - 100}, {"nbf": now + 100}, {"iat": now + 100}):
        token = issuer.token("one", **claims)
        assert tokens_of(issuer, leeway_seconds=300).verify(token)
        with pytest.raises(RefusedError):
            tokens_of(issuer, leeway_seconds=0).verify(token)


@pytest.mark.parametrize(
    ("claim", "claims", "plan"),
    [
        ("groups", {"groups": ["trial-users", "staff"]}, "unlimited"),  # in the order of the file
        ("groups", {"groups": "trial-users"}, "trial"),
        ("groups", {"groups": "staff trial-users"}, "default"),
        ("groups", {"groups": [7, None, {}]}, "default"),
        ("groups", {"groups": {"staff": True}}, "default"),
        ("groups", {}, "default"),
        ("scope", {"scope": "openid trial-users"}, "trial"),
        ("realm_access.roles", {"realm_access": {"roles": ["staff"]}}, "unlimited"),
        ("realm_access.roles", {"realm_access": ["roles"]}, "default"),
        ("https://example.com/roles", {"https://example.com/roles": ["staff"]}, "unlimited"),
        (None, {"groups": ["staff"]}, "default"),
    ],
)
def test_the_claim_decides_the_usage_plan(
    issuer: Issuer, claim: str | None, claims: dict[str, Any], plan: str
) -> None:
    mapping = [("staff", "unlimited"), ("trial-users", "trial")]
    verifier = tokens_of(issuer, claim=claim, usage_plans=mapping)
    assert verifier.verify(issuer.token("one", **claims)).usage_plan == plan
    strict = tokens_of(issuer, claim=claim, usage_plans=mapping, default_usage_plan=None)
    if plan == "default":
        with pytest.raises(ForbiddenError):
            strict.verify(issuer.token("one", **claims))


def test_logs_contain_the_subject_only_on_request(issuer: Issuer) -> None:
    token = issuer.token("one", sub='alice@example.com"\n')
    assert "alice" not in tokens_of(issuer).verify(token).name
    assert tokens_of(issuer, log_subject=True).verify(token).name == "alice@example.com__"
    assert (
        tokens_of(issuer).verify(issuer.token("one", sub="bob")).name != tokens_of(issuer).verify(token).name
    )
    assert tokens_of(issuer).verify(issuer.token("one", sub="\ud800")).name


def test_new_keys_are_found_and_withdrawn_keys_stop_working(issuer: Issuer, clock: Clock) -> None:
    verifier = tokens_of(issuer, clock)
    old = issuer.token("one")
    verifier.verify(old)
    issuer.add_key("two")
    clock.now += RETRY_SECONDS
    verifier.verify(issuer.token("two"))
    del issuer.published[0]
    clock.now += REFRESH_SECONDS - 1
    verifier.verify(old)
    clock.now += 1
    with pytest.raises(RefusedError, match="unknown key"):
        verifier.verify(old)
    verifier.verify(issuer.token("two"))


def test_unknown_keys_cannot_flood_the_issuer(issuer: Issuer, clock: Clock) -> None:
    verifier = tokens_of(issuer, clock)
    for number in range(50):
        with pytest.raises(RefusedError, match="unknown key"):
            verifier.verify(issuer.token("one", {"kid": f"made-up-{number}"}))
    assert issuer.requests[KEYS] == 1
    clock.now += RETRY_SECONDS
    for number in range(50):
        with pytest.raises(RefusedError, match="unknown key"):
            verifier.verify(issuer.token("one", {"kid": f"made-up-{number}"}))
    assert issuer.requests[KEYS] == 2


def test_tokens_of_other_issuers_cause_no_requests(issuer: Issuer) -> None:
    with pytest.raises(RefusedError):
        tokens_of(issuer).verify(issuer.token("one", iss="https://another.example"))
    assert not issuer.requests


def test_cached_keys_outlast_an_outage_of_the_issuer_for_an_hour(issuer: Issuer, clock: Clock) -> None:
    verifier = tokens_of(issuer, clock)
    token = issuer.token("one")
    verifier.verify(token)
    issuer.responses[DISCOVERY] = (500, {})
    requests = issuer.requests.total()
    clock.now += STALE_SECONDS - 1
    for _ in range(5):
        verifier.verify(token)
    assert issuer.requests.total() == requests + 1
    # Its new keys are unknown, which is not the caller's mistake.
    issuer.add_key("two")
    with pytest.raises(UnavailableError):
        verifier.verify(issuer.token("two"))
    clock.now += 1
    with pytest.raises(UnavailableError):
        verifier.verify(token)
    del issuer.responses[DISCOVERY]
    clock.now += RETRY_SECONDS
    verifier.verify(token)


def test_a_clock_that_is_set_back_does_not_stop_refreshes(issuer: Issuer, clock: Clock) -> None:
    verifier = tokens_of(issuer, clock)
    verifier.verify(issuer.token("one"))
    clock.now -= 1_000_000
    verifier.verify(issuer.token("one"))
    assert issuer.requests[KEYS] == 2


@pytest.mark.parametrize(
    ("path", "response"),
    [
        (DISCOVERY, b"{}"),
        (DISCOVERY, (302, {"Location": KEYS})),
        (KEYS, (302, {"Location": "/other"})),
        (KEYS, (404, {})),
        (KEYS, b"not JSON"),
        (KEYS, b'["keys"]'),
        (KEYS, b'{"keys": {}}'),
        (KEYS, b"[" * 100_000),
        (KEYS, b'{"keys": []}' + b" " * MAX_BYTES),
    ],
)
def test_unusable_documents_of_the_issuer(
    issuer: Issuer, path: str, response: bytes | tuple[int, dict[str, str]]
) -> None:
    issuer.responses["/other"] = issuer.document(KEYS)
    issuer.responses[path] = response
    with pytest.raises(UnavailableError):
        tokens_of(issuer).verify(issuer.token("one"))
    assert not issuer.requests["/other"]


def test_an_issuer_cannot_speak_for_another(issuer: Issuer) -> None:
    document = {"issuer": f"{issuer.url}/", "jwks_uri": issuer.url + KEYS}
    issuer.responses[DISCOVERY] = json.dumps(document).encode()
    with pytest.raises(UnavailableError):
        tokens_of(issuer).verify(issuer.token("one"))


def test_only_loopback_addresses_may_be_without_tls(issuer: Issuer) -> None:
    token = issuer.token("one")
    assert tokens_of(issuer, jwks_url=issuer.url + KEYS).verify(token)
    # Another spelling of the same address, so that a request would succeed.
    other = issuer.url.replace("127.0.0.1", "127.1") + KEYS
    for url in (other, "ftp://127.0.0.1/keys", "file:///etc/passwd", "keys", ""):
        with pytest.raises(UnavailableError):
            tokens_of(issuer, jwks_url=url).verify(token)


@pytest.mark.parametrize(
    "members",
    [
        {"use": "enc"},
        {"alg": "ES384"},
        {"alg": "HS256"},
        {"key_ops": ["sign"]},
        {"kty": "oct", "k": "c2VjcmV0"},
        {"x": "AA"},
    ],
)
def test_keys_for_other_purposes_are_not_used(issuer: Issuer, members: dict[str, Any]) -> None:
    issuer.add_key("two", **members)
    with pytest.raises(RefusedError):
        tokens_of(issuer).verify(issuer.token("two"))


@pytest.mark.filterwarnings("ignore:The RSA key is 1024 bits")
def test_small_rsa_keys_are_not_used(issuer: Issuer) -> None:
    issuer.add_key("small", "RS256", key=rsa.generate_private_key(65537, 1024))  # noqa: S505
    with pytest.raises(RefusedError):
        tokens_of(issuer).verify(issuer.token("small"))


def test_a_token_without_a_key_id_is_for_the_only_key(issuer: Issuer) -> None:
    token = issuer.token("one", {"kid": None})
    assert "kid" not in jwt.get_unverified_header(token)
    assert tokens_of(issuer).verify(token)
    issuer.add_key("two")
    with pytest.raises(RefusedError, match="unknown key"):
        tokens_of(issuer).verify(token)


def test_huge_tokens_are_refused(issuer: Issuer) -> None:
    with pytest.raises(RefusedError, match="too long"):
        tokens_of(issuer).verify(issuer.token("one", padding="x" * 10_000))


@pytest.fixture(scope="module")
def shared() -> Iterator[tuple[Issuer, Tokens]]:
    issuer = Issuer()
    issuer.add_key("one")
    yield issuer, tokens_of(issuer)
    issuer.stop()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=5,
)
NAMES = st.sampled_from(["alg", "kid", "typ", "crit", "b64", "iss", "aud", "sub", "exp", "nbf", "iat", "jti"])
MEMBERS = st.dictionaries(NAMES, JSON)


@pytest.mark.slow
@given(header=MEMBERS, claims=MEMBERS, signature=st.binary(max_size=80))
def test_no_unsigned_token_is_accepted(
    shared: tuple[Issuer, Tokens], header: dict[str, Any], claims: dict[str, Any], signature: bytes
) -> None:
    issuer, verifier = shared
    document = {"alg": "ES256", "kid": "one", **header}
    encoded = base64.urlsafe_b64encode(signature).rstrip(b"=").decode()
    token = f"{_encode(document)}.{_encode({**issuer.claims(), **claims})}.{encoded}"
    assert is_jwt(token)
    with pytest.raises(RefusedError):
        verifier.verify(token)


@given(claims=MEMBERS)
def test_signed_tokens_with_any_claims_are_judged(
    shared: tuple[Issuer, Tokens], claims: dict[str, Any]
) -> None:
    issuer, verifier = shared
    token = issuer.sign("one", {**issuer.claims(), **claims})
    try:
        caller = verifier.verify(token)
    except RefusedError:
        return
    assert claims.get("iss", issuer.url) == issuer.url
    assert caller.name


@given(st.text())
def test_any_text_is_a_key_or_a_token_that_is_judged(shared: tuple[Issuer, Tokens], text: str) -> None:
    _, verifier = shared
    for token in (text, f"{text}.{text}.{text}", f"{_encode({'alg': 'ES256'})}.{text}.{text}"):
        is_jwt(token)
        with pytest.raises(RefusedError):
            verifier.verify(token)


@given(position=st.integers(min_value=0), replacement=st.sampled_from("AQgw_-."))
def test_a_changed_character_invalidates_the_token(
    shared: tuple[Issuer, Tokens], position: int, replacement: str
) -> None:
    issuer, verifier = shared
    token = issuer.token("one")
    index = position % len(token)
    changed = token[:index] + replacement + token[index + 1 :]
    if changed == token:
        return
    with pytest.raises(RefusedError):
        verifier.verify(changed)
