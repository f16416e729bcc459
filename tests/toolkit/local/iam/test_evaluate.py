"""AWS's evaluation logic: examples from its documentation, and properties of random policies."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.iam import ACCOUNT, Keys, allow, deny, policy, trust
from toolkit.local.iam.evaluate import Policies, PolicyKind, Request, evaluate
from toolkit.local.iam.exceptions import PolicyError
from toolkit.local.iam.policy import Effect
from toolkit.local.iam.principals import Principal, PrincipalKind

BUCKET = "arn:aws:s3:::amzn-s3-demo-bucket"
USER = Principal(PrincipalKind.USER, f"arn:aws:iam::{ACCOUNT}:user/carlos", ACCOUNT, "carlos")
ROLE_ARN = f"arn:aws:iam::{ACCOUNT}:role/ci"
SESSION = Principal(
    PrincipalKind.SESSION, f"arn:aws:sts::{ACCOUNT}:assumed-role/ci/run", ACCOUNT, "run", role_arn=ROLE_ARN
)
ROOT = Principal.root(ACCOUNT)
SERVICE = Principal.service("s3.amazonaws.com")
GET = "s3:GetObject"
KEY = f"{BUCKET}/key"
ALLOW_GET = policy(allow(GET, f"{BUCKET}/*"))
ALLOW_OTHER = policy(allow("s3:PutObject", f"{BUCKET}/*"))
DENY_GET = policy(deny(GET, f"{BUCKET}/*"))


def granting(principal):
    return policy({"Effect": "Allow", "Principal": principal, "Action": GET, "Resource": f"{BUCKET}/*"})


def decide(policies, principal=USER, action=GET, resource=KEY, keys=None):
    return evaluate(Request(principal, action, resource, Keys(keys)), policies)


IDENTITY, BOUNDARY, SESSIONS, RESOURCE = (
    PolicyKind.IDENTITY,
    PolicyKind.BOUNDARY,
    PolicyKind.SESSION,
    PolicyKind.RESOURCE,
)


@pytest.mark.parametrize(
    ("policies", "principal", "denied_by"),
    [
        # The default is an implicit deny.
        (Policies(), USER, IDENTITY),
        (Policies(identity=(ALLOW_OTHER,)), USER, IDENTITY),
        # The root user is allowed everything.
        (Policies(), ROOT, None),
        # One allowing identity policy is sufficient; an explicit deny wins.
        (Policies(identity=(ALLOW_OTHER, ALLOW_GET)), USER, None),
        (Policies(identity=(ALLOW_GET, DENY_GET)), USER, IDENTITY),
        # A boundary grants nothing, and limits identity policies.
        (Policies(boundary=ALLOW_GET), USER, IDENTITY),
        (Policies(identity=(ALLOW_GET,), boundary=ALLOW_GET), USER, None),
        (Policies(identity=(ALLOW_GET,), boundary=ALLOW_OTHER), USER, BOUNDARY),
        (Policies(identity=(ALLOW_GET,), boundary=DENY_GET), USER, BOUNDARY),
        # So does a session policy.
        (Policies(identity=(ALLOW_GET,), session=(ALLOW_GET,)), SESSION, None),
        (Policies(identity=(ALLOW_GET,), session=(ALLOW_OTHER,)), SESSION, SESSIONS),
        (Policies(identity=(ALLOW_GET,), session=(ALLOW_OTHER, ALLOW_GET)), SESSION, None),
        (Policies(session=(ALLOW_GET,)), SESSION, IDENTITY),
        # Within an account a resource policy is sufficient, for a user regardless of the boundary.
        (Policies(resource=granting({"AWS": USER.arn})), USER, None),
        (Policies(resource=granting({"AWS": USER.arn}), boundary=ALLOW_OTHER), USER, None),
        (Policies(resource=granting({"AWS": USER.arn}), identity=(DENY_GET,)), USER, IDENTITY),
        (Policies(resource=granting({"AWS": USER.arn}), boundary=DENY_GET), USER, BOUNDARY),
        (Policies(resource=granting("*")), USER, None),
        (Policies(resource=granting("*")), Principal.anonymous(), None),
        # Boundary and session policy limit sessions of a named role, but not a named session.
        (Policies(resource=granting({"AWS": ROLE_ARN})), SESSION, None),
        (Policies(resource=granting({"AWS": ROLE_ARN}), boundary=ALLOW_OTHER), SESSION, BOUNDARY),
        (Policies(resource=granting({"AWS": ROLE_ARN}), session=(ALLOW_OTHER,)), SESSION, SESSIONS),
        (Policies(resource=granting({"AWS": SESSION.arn}), session=(ALLOW_OTHER,)), SESSION, None),
        # A named account also needs an allowing identity policy.
        (Policies(resource=granting({"AWS": ACCOUNT})), USER, IDENTITY),
        (Policies(resource=granting({"AWS": ACCOUNT}), identity=(ALLOW_GET,)), USER, None),
        # Anonymous callers need an allowing resource policy.
        (Policies(), Principal.anonymous(), RESOURCE),
        (Policies(resource=granting({"AWS": ACCOUNT})), SERVICE, RESOURCE),
        (Policies(resource=granting({"Service": "s3.amazonaws.com"})), SERVICE, None),
        # A resource policy's deny applies to the root user.
        (Policies(resource=policy({**deny(GET), "Principal": "*"})), ROOT, RESOURCE),
        (Policies(resource=policy({**deny(GET), "Principal": "*"}), identity=(ALLOW_GET,)), USER, RESOURCE),
        # A deny for another principal does not matter.
        (
            Policies(resource=policy({**deny(GET), "Principal": {"AWS": ROLE_ARN}}), identity=(ALLOW_GET,)),
            USER,
            None,
        ),
    ],
)
def test_policy_types(policies, principal, denied_by):
    verdict = decide(policies, principal)

    assert (verdict.allowed, verdict.by) == (denied_by is None, denied_by)


TRUSTING_USER = policy(trust({"AWS": USER.arn}))
TRUSTING_ACCOUNT = policy(trust({"AWS": f"arn:aws:iam::{ACCOUNT}:root"}))
TRUSTING_LAMBDA = policy(trust({"Service": "lambda.amazonaws.com"}))
MAY_ASSUME = policy(allow("sts:AssumeRole", ROLE_ARN))


@pytest.mark.parametrize(
    ("trusting", "identity", "principal", "allowed"),
    [
        (TRUSTING_USER, (), USER, True),
        (TRUSTING_ACCOUNT, (), USER, False),
        (TRUSTING_ACCOUNT, (MAY_ASSUME,), USER, True),
        # Without trust, sts:AssumeRole is not sufficient.
        (TRUSTING_LAMBDA, (MAY_ASSUME,), USER, False),
        (None, (MAY_ASSUME,), USER, False),
        (TRUSTING_LAMBDA, (), Principal.service("lambda.amazonaws.com"), True),
        (TRUSTING_LAMBDA, (), Principal.service("sagemaker.amazonaws.com"), False),
    ],
)
def test_assuming_a_role_requires_its_trust_policy(trusting, identity, principal, allowed):
    policies = Policies(identity, resource=trusting, resource_kind=PolicyKind.TRUST, resource_decides=True)

    assert decide(policies, principal, "sts:AssumeRole", ROLE_ARN).allowed == allowed


def test_a_deny_of_insecure_transport_wins():
    tls_only = policy(
        {
            **deny("s3:*", [BUCKET, f"{BUCKET}/*"]),
            "Principal": "*",
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
    )
    policies = Policies(identity=(ALLOW_GET,), resource=tls_only)

    assert decide(policies, keys={"aws:SecureTransport": "true"}).allowed
    insecure = decide(policies, keys={"aws:SecureTransport": "false"})
    assert (insecure.allowed, insecure.explicit, insecure.by) == (False, True, RESOURCE)


def test_home_folder_of_a_user():
    home = policy(
        allow("s3:ListBucket", BUCKET, Condition={"StringLike": {"s3:prefix": ["home/${aws:username}/*"]}}),
        allow("s3:*", f"{BUCKET}/home/${{aws:username}}/*"),
    )
    policies, keys = Policies(identity=(home,)), {"aws:username": "carlos"}

    assert decide(policies, resource=f"{BUCKET}/home/carlos/a", keys=keys).allowed
    assert not decide(policies, resource=f"{BUCKET}/home/eve/a", keys=keys).allowed
    listing = {**keys, "s3:prefix": "home/carlos/x"}
    assert decide(policies, action="s3:ListBucket", resource=BUCKET, keys=listing).allowed
    assert not decide(policies, action="s3:ListBucket", resource=BUCKET, keys=keys).allowed


def test_role_may_be_passed_to_one_service_only():
    passing = policy(
        allow(
            "iam:PassRole",
            ROLE_ARN,
            Condition={"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
        )
    )

    def passed_to(service):
        keys = {"iam:PassedToService": service}
        return decide(
            Policies(identity=(passing,)), action="iam:PassRole", resource=ROLE_ARN, keys=keys
        ).allowed

    assert passed_to("sagemaker.amazonaws.com")
    assert not passed_to("lambda.amazonaws.com")


def test_all_matching_statements_are_reported():
    policies = Policies(
        identity=(
            policy(allow("s3:Get*", Sid="Some"), allow("s3:Put*", Sid="No"), name="a"),
            policy(allow("*", Sid="All"), name="b"),
        ),
        boundary=policy(allow("s3:*", Sid="Limit"), name="limit"),
    )
    statements = [(item.kind, item.policy, item.sid, item.effect) for item in decide(policies).used]

    assert statements == [
        (IDENTITY, "a", "Some", Effect.ALLOW),
        (IDENTITY, "b", "All", Effect.ALLOW),
        (BOUNDARY, "limit", "Limit", Effect.ALLOW),
    ]


def test_an_unsupported_condition_raises():
    unknown = policy(allow(GET, Condition={"StringNotEquals": {"s3:signatureAge": "1"}}))

    with pytest.raises(PolicyError):
        evaluate(
            Request(USER, GET, KEY, Keys(unknown=["s3:signatureAge"])),
            Policies(identity=(ALLOW_GET, unknown)),
        )


NAMES = ["a", "b", "c"]
STATEMENTS = st.lists(
    st.tuples(
        st.booleans(),
        st.sets(st.sampled_from(NAMES), min_size=1),
        st.sets(st.sampled_from(NAMES), min_size=1),
    ),
    max_size=4,
)


def made_of(statements):
    return policy(
        *(
            (allow if allows else deny)(
                [f"x:{name}" for name in sorted(actions)],
                [f"arn:aws:x:::{name}" for name in sorted(resources)],
            )
            for allows, actions, resources in statements
        )
    )


def outcome(statements, action, resource):
    """A naive reference implementation."""
    fitting = [
        allows for allows, actions, resources in statements if action in actions and resource in resources
    ]
    return all(fitting) if fitting else None


@given(
    identity=STATEMENTS,
    boundary=st.none() | STATEMENTS,
    session=st.none() | STATEMENTS,
    action=st.sampled_from(NAMES),
    resource=st.sampled_from(NAMES),
)
def test_requests_need_an_allow_in_every_layer_and_no_deny(identity, boundary, session, action, resource):
    layers = [layer for layer in (identity, boundary, session) if layer is not None]
    policies = Policies(
        identity=(made_of(identity),),
        boundary=None if boundary is None else made_of(boundary),
        session=() if session is None else (made_of(session),),
    )
    verdict = decide(policies, SESSION, f"x:{action}", f"arn:aws:x:::{resource}")
    outcomes = [outcome(layer, action, resource) for layer in layers]

    assert verdict.allowed == all(outcomes)
    assert verdict.explicit == (False in outcomes)


@given(identity=STATEMENTS, more=STATEMENTS, action=st.sampled_from(NAMES), resource=st.sampled_from(NAMES))
def test_evaluation_is_monotonic(identity, more, action, resource):
    def allowed(statements):
        return decide(
            Policies(identity=(made_of(statements),)), USER, f"x:{action}", f"arn:aws:x:::{resource}"
        ).allowed

    allows = [(True, actions, resources) for _, actions, resources in more]
    denials = [(False, actions, resources) for _, actions, resources in more]
    assert allowed([*identity, *allows]) >= allowed(identity)
    assert allowed([*identity, *denials]) <= allowed(identity)


@given(identity=STATEMENTS, action=st.sampled_from(NAMES), resource=st.sampled_from(NAMES))
def test_statements_may_be_spread_over_policies(identity, action, resource):
    request = (USER, f"x:{action}", f"arn:aws:x:::{resource}")
    together = decide(Policies(identity=(made_of(identity),)), *request)
    separate = decide(Policies(identity=tuple(made_of([statement]) for statement in identity)), *request)

    assert replace(together, used=()) == replace(separate, used=())
