from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from toolkit.aws.access import AwsAccess
from toolkit.keys import Keys

MakeKeys = Callable[..., Keys]


@pytest.fixture
def make_keys(account: AwsAccess) -> MakeKeys:
    """Creates the keys of an environment whose usage plans exist."""

    def make(
        prefix: str, declared: Mapping[str, str] | None = None, plans: tuple[str, ...] = ("default", "batch")
    ) -> Keys:
        ids = {name: account.apigateway.create_usage_plan(name=f"{prefix}-{name}")["id"] for name in plans}
        return Keys(account, prefix, ids, {"team": "platform"}, declared or {"default": "default"})

    return make
