"""Where providers come from when the registry is not, or need not be, asked."""

from __future__ import annotations

import fcntl
import os
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from toolkit.console import Console
from toolkit.errors import InputError
from toolkit.project import cache_dir, home_dir
from toolkit.terraform.cli_config import Mirror, UserConfig
from toolkit.terraform.program import Program

SETTING = "TOOLKIT_PROVIDER_MIRROR"
ADD_ON_ROOTS = (Path("/opt"), Path("/usr/share"), Path("/usr/local/share"))
REMEDY = (
    f"make the registry reachable (HTTPS_PROXY), or set {SETTING} to a folder that "
    "`terraform providers mirror FOLDER` filled on a machine that reaches it"
)
# A registry that answers needs a fraction of this; a network that swallows packets costs half a minute.
PROBE_SECONDS = 3.0


@dataclass(frozen=True)
class Sources:
    """Where providers are to be taken from, the registry for all else.

    Attributes:
        mirrors: in order of preference.
        tried: a line for each place that was looked at, for an error message.
    """

    mirrors: tuple[Mirror, ...] = ()
    tried: tuple[str, ...] = ()

    @property
    def plugin_cache(self) -> Path | None:
        """Where Terraform may keep what it installs; not where it installs from, which it forbids."""
        cache = plugin_cache()
        return None if any(mirror.path == cache for mirror in self.mirrors) else cache


def plugin_cache() -> Path:
    """Where installed providers are kept; in the mirror layout, so it serves as one when offline."""
    return cache_dir() / "terraform" / "plugins"


def find(program: Program, stack: Path, user: UserConfig) -> Sources:
    """Decide where the providers of a stack come from.

    A `provider_installation` of the user's decides it all. Without one, `TOOLKIT_PROVIDER_MIRROR`, or else
    the folders that Terraform itself looks into, go before the registry, as they do in Terraform. Folders
    that merely look like mirrors, and packages installed earlier, stand in for a registry that can't be
    reached.

    Raises:
        InputError: `TOOLKIT_PROVIDER_MIRROR` is not a directory.
    """
    if user.has_provider_installation:
        files = ", ".join(map(str, user.files))
        return Sources(tried=(f"as provider_installation in {files} says",))
    named = os.environ.get(SETTING)
    chosen = [(_named_directory(named), SETTING)] if named else _implied(program, stack)
    tried: list[str] = []
    mirrors = _look_into(chosen, program, tried)
    fallback = _look_into([] if named else _fallback(program), program, tried)
    if not fallback:
        tried.append(f"{program.registry_host} (registry)")
        return Sources(tuple(mirrors), tuple(tried))
    problem = registry_problem(program.registry_host)
    tried.append(f"{program.registry_host} (registry): {problem or 'answers'}")
    return Sources((*mirrors, *(fallback if problem else ())), tuple(tried))


@contextmanager
def exclusive_cache(console: Console) -> Iterator[None]:
    """Keep other runs from installing into the same cache, which Terraform does not guard."""
    lock = plugin_cache().with_suffix(".lock")
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            console.line("waiting for another run that is installing providers …")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _named_directory(named: str) -> Path:
    path = Path(named).expanduser().absolute()
    if not path.is_dir():
        raise InputError(
            f"{SETTING}={named} is not a directory",
            remedy="name the folder above registry.terraform.io/, as `terraform providers mirror` makes it",
        )
    return path


def _implied(program: Program, stack: Path) -> list[tuple[Path, str]]:
    """Where Terraform looks without being told; its documentation calls them implied local mirrors."""
    home = home_dir()
    app = "opentofu" if program.product == "OpenTofu" else "terraform"
    paths = [stack / "terraform.d" / "plugins"]
    if home is not None:
        paths.append(home / ".terraform.d" / "plugins")
    if sys.platform == "darwin":
        paths += [
            base / "Library" / "Application Support" / "io.terraform" / "plugins"
            for base in filter(None, (home, Path("/")))
        ]
    else:
        data_home = os.environ.get("XDG_DATA_HOME") or (str(home / ".local" / "share") if home else "")
        data_dirs = os.environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share"
        paths += [Path(base) / app / "plugins" for base in [data_home, *data_dirs.split(":")] if base]
    return [(path, "implied mirror directory") for path in paths]


def _fallback(program: Program) -> list[tuple[Path, str]]:
    found = [(plugin_cache(), "installed earlier")]
    for root in ADD_ON_ROOTS:
        found += [
            (host.parent, "add-on directory") for host in sorted(root.glob(f"*/{program.registry_host}"))
        ]
    return found


def _look_into(places: Iterable[tuple[Path, str]], program: Program, tried: list[str]) -> list[Mirror]:
    mirrors = []
    for path, origin in places:
        found = packages(path, program.platform)
        nothing = f"no provider for {program.platform}" if path.is_dir() else "does not exist"
        listed = [f"{provider} {', '.join(versions)}" for provider, versions in sorted(found.items())]
        tried.append(f"{path} ({origin}): {'; '.join(listed) or nothing}")
        if found:
            mirrors.append(Mirror(path, tuple(sorted(found)), origin))
    return mirrors


def packages(mirror: Path, platform: str) -> dict[str, list[str]]:
    """The versions of each provider that a mirror has for `platform`, in the packed or unpacked layout."""
    found: dict[str, list[str]] = {}
    # host/namespace/type/version/platform/
    for package in sorted(mirror.glob(f"*/*/*/*/{platform}")):
        if package.is_dir():  # not a link into a mirror that is gone
            found.setdefault(package.parents[1].relative_to(mirror).as_posix(), []).append(
                package.parent.name
            )
    # host/namespace/type/terraform-provider-type_version_platform.zip
    for package in sorted(mirror.glob(f"*/*/*/terraform-provider-*_{platform}.zip")):
        version = package.name.removesuffix(f"_{platform}.zip").rpartition("_")[2]
        found.setdefault(package.parent.relative_to(mirror).as_posix(), []).append(version)
    return found


def registry_problem(host: str) -> str | None:
    """Why the registry can't be reached; None if it answers. Takes PROBE_SECONDS at most."""
    result: list[str | None] = []
    # In a thread, since no time-out covers the resolver. It honours proxies as Terraform does.
    probe = threading.Thread(
        target=lambda: result.append(_probe(f"https://{host}/.well-known/terraform.json")), daemon=True
    )
    probe.start()
    probe.join(PROBE_SECONDS)
    return result[0] if result else f"no answer within {PROBE_SECONDS:g} s"


def _probe(url: str) -> str | None:
    import urllib.error
    import urllib.request

    try:
        with urllib.request.urlopen(url, timeout=PROBE_SECONDS):  # noqa: S310 - always https
            return None
    except urllib.error.HTTPError as error:
        return None if error.code < 500 else f"answers {error.code}"
    except (OSError, ValueError) as error:
        return str(getattr(error, "reason", error))
