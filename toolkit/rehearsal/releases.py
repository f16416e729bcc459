"""The commit of a release, from the state bucket: the only request to AWS of a rehearsal."""

from __future__ import annotations

import re

from toolkit.console import Console
from toolkit.deployment import releases
from toolkit.deployment.context import open_context
from toolkit.deployment.releases import Releases
from toolkit.errors import InputError
from toolkit.rehearsal.results import Revision

_ROLLBACK = re.compile(r"rollback to (\d+)")


def base_of(env: str, name: str | None, console: Console) -> Revision | None:
    """The version that a release has deployed; None if the name is not a number.

    Raises:
        ToolkitError: see `revision`; or the state bucket cannot be read.
    """
    if name is None or not name.isdecimal():
        return None
    base = revision(releases.of(open_context(env, console)), int(name))
    if base.uncommitted:
        console.warning(f"{base.description} had changes that are not in its commit, and are not rehearsed")
    return base


def revision(stored: Releases, number: int) -> Revision:
    """The version that a release has deployed.

    Raises:
        InputError: there is no such release, or it has no commit.
    """
    release = stored.get(number)
    # A rollback is recorded with the commit of the checkout, and deploys the variables of another release.
    while match := _ROLLBACK.fullmatch(release.action):
        release = stored.get(int(match[1]))
    if release.commit is None:
        raise InputError(
            f"release {number} was not applied from a commit", remedy="name the commit with --from COMMIT"
        )
    return Revision("release", f"release {number}", release.commit, release.uncommitted)
