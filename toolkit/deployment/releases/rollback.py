"""Going back to a release, stopping and starting one: what was recorded is applied, not what is there now."""

from __future__ import annotations

from toolkit import rendering
from toolkit.deployment import bootstrap, fleet, inference
from toolkit.deployment.context import Context
from toolkit.deployment.inference import Prepared
from toolkit.deployment.releases import recording
from toolkit.deployment.rollout import settle
from toolkit.deployment.rollout.settle import settled
from toolkit.errors import InputError
from toolkit.packaging import Package
from toolkit.release import Release

# Appended to the recorded variables: `stacks/inference` keeps everything but the endpoints.
PAUSED = "\npaused = true\n"


def prepare_rollback(context: Context, number: int | None) -> Prepared:
    """Plan to go back to release `number`, or to the one before the present one.

    Raises:
        InputError: there is no such release, or none before the present one.
    """
    releases = recording.releases_of(context)
    release = releases.get(number) if number is not None else _previous(context, releases.list())
    return _prepare(context, release, f"rollback to {release.number}")


def prepare_pause(context: Context) -> Prepared:
    """Plan to take the endpoints away and keep all else.

    Raises:
        InputError: nothing was released yet, or it is paused already.
    """
    release = _latest(context)
    if release.paused:
        raise InputError(f"{context.environment.name} is paused already", remedy="`toolkit resume` starts it")
    return _prepare(context, release, "pause", suffix=PAUSED)


def prepare_resume(context: Context) -> Prepared:
    """Plan to bring back the release that was paused.

    Raises:
        InputError: it is not paused.
    """
    release = _latest(context)
    if not release.paused:
        env = context.environment.name
        raise InputError(f"{env} is not paused", remedy=f"`toolkit status --env {env}` shows what runs")
    return _prepare(context, release, "resume")


def _prepare(context: Context, release: Release, action: str, suffix: str = "") -> Prepared:
    if recording.code_differs(context.project.root, release.commit):
        context.console.line(
            f"note: this checkout's Terraform code is not that of release {release.number}, and the policies "
            f"have not judged the two together; `git checkout {release.commit}` has what they judged"
        )
    bootstrap.ensure(context)
    build = context.project.environment_build(context.environment.name)
    packages = context.project.lambda_build
    recording.releases_of(context).restore_packages(release, packages)
    # What was recorded, but the fleet that autoscaling has chosen since.
    found = settled(context, settle.names(context).values())
    counts = fleet.instance_counts(context, found)
    variables = rendering.with_instance_counts(release.variables.removesuffix(PAUSED), counts)
    (build / f"{inference.STACK}.tfvars").write_text(variables + suffix, encoding="utf-8")
    files = {name: Package(packages / name, sha256) for name, sha256 in release.packages.items()}
    failed = [] if suffix else settle.failed(context, found)
    return inference.plan(context, action, staged={}, packages=files, failed=failed)


def _latest(context: Context) -> Release:
    latest = recording.releases_of(context).latest()
    if latest is None:
        env = context.environment.name
        raise InputError(f"{env} has no release yet", remedy=f"make apply ENV={env}")
    return latest


def _previous(context: Context, releases: list[Release]) -> Release:
    """The newest release that is not what serves now; pauses are no place to go back to."""
    serving = [release for release in releases if not release.paused]
    for release in serving[1:]:
        if recording.content(release.variables) != recording.content(serving[0].variables):
            return release
    env = context.environment.name
    raise InputError(
        f"{env} has no release before the present one", remedy=f"`toolkit releases --env {env}` lists them"
    )
