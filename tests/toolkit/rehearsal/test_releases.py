from __future__ import annotations

from pathlib import Path

import pytest

from tests.toolkit.deployment.test_release_store import recorded, releases_in
from toolkit.aws.access import AwsAccess
from toolkit.errors import InputError
from toolkit.rehearsal.releases import revision

pytestmark = pytest.mark.slow


def test_a_release_is_the_commit_that_it_deployed(account: AwsAccess, tmp_path: Path) -> None:
    releases = releases_in(account, "rehearsal-releases")
    recorded(releases, tmp_path, commit="a" * 40)
    recorded(releases, tmp_path, commit="b" * 40, uncommitted=True)
    recorded(releases, tmp_path, commit="b" * 40, action="rollback to 1")
    recorded(releases, tmp_path, commit=None)
    assert revision(releases, 2).commit == "b" * 40
    assert revision(releases, 2).uncommitted
    assert revision(releases, 3).commit == "a" * 40
    assert revision(releases, 3).description == "release 3"
    with pytest.raises(InputError, match="release 4 was not applied from a commit"):
        revision(releases, 4)
    with pytest.raises(InputError, match="no release 5"):
        revision(releases, 5)
