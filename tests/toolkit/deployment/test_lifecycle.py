"""Steps of the lifecycle that no deployment in the other tests reaches."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.contexts import opened
from tests.support.git import commit_all
from toolkit import keys
from toolkit.aws.access import AwsAccess
from toolkit.deployment import lifecycle
from toolkit.deployment.lifecycle import revoke_exposed_keys
from toolkit.deployment.prepare import Prepared
from toolkit.deployment.releases import Release
from toolkit.errors import InputError
from toolkit.packaging import Package, archive

pytestmark = pytest.mark.slow

NOTHING: Any = None


def test_jwt_keys_end_before_an_authorizer_of_an_old_release(account: AwsAccess, tmp_path: Path) -> None:
    context = opened(tmp_path, account).context
    plan = account.apigateway.create_usage_plan(name="for-jwts")["id"]
    jwt_keys = {"default": f"jwt-default-{'2' * 32}"}
    existing = keys.of(account, context.environment, {"default": plan}, jwt_keys)
    keys.reconcile(existing)

    def prepared(*files: str) -> Prepared:
        path = tmp_path / f"authorizer-{len(files)}.zip"
        archive.write(path, dict.fromkeys(files, b""))
        return Prepared(NOTHING, NOTHING, "rollback to 1", packages={path.name: Package(path, "")})

    try:
        revoke_exposed_keys(context, prepared("authorizer/handler.py", "authorizer/tokens.py"))
        assert [key.name for key in existing.list()] == ["default", "jwt/default"]
        revoke_exposed_keys(context, prepared("authorizer/handler.py"))
        assert [key.name for key in existing.list()] == ["default"]
    finally:
        replace(existing, usage_plan_ids={}).revoke_all()


@pytest.mark.parametrize("path", ["terraform/modules/m/main.tf", "terraform/inference/new_override.tf"])
def test_drift_is_reverted_with_the_releases_code_only(path: str, account: AwsAccess, tmp_path: Path) -> None:
    context = opened(tmp_path, account).context
    root, variables = context.project.root, context.build / "inference.tfvars"
    for file in (root / "terraform/modules/m/main.tf", variables):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("# deployed\n")
    commit = commit_all(root)
    release = Release(1, "", "", "apply", commit, False, "", variables.read_text(), {})
    lifecycle._require_deployed(context, release)
    (root / path).parent.mkdir(exist_ok=True)
    (root / path).write_text("# changed\n")
    with pytest.raises(InputError, match="the code is not that of release 1") as error:
        lifecycle._require_deployed(context, release)
    assert f"git checkout {commit}" in (error.value.remedy or "")
    # The code of these is unknown.
    for unknown in ({"commit": None}, {"uncommitted": True}):
        lifecycle._require_deployed(context, replace(release, **unknown))
