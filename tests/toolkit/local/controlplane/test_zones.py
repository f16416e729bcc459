from __future__ import annotations

import re

import pytest

from tests.support.cloud import Aws

pytestmark = pytest.mark.slow


def test_hosted_zones_have_ids_like_awss(aws: Aws) -> None:
    route53 = aws("route53")
    made = [
        route53.create_hosted_zone(Name="example.com", CallerReference=str(number))["HostedZone"]["Id"]
        for number in range(12)
    ]
    assert all(re.fullmatch(r"/hostedzone/Z[A-Z0-9]{21}", each) for each in made)
    assert len(set(made)) == 12
