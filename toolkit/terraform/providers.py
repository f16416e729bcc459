"""Provider sources: mirrors, earlier installations and the registry."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from toolkit.console import Console
from toolkit.errors import InputError
from toolkit.files import exclusive_lock
from toolkit.project import cache_dir, home_dir
from toolkit.terraform.cli_config import Mirror, UserConfig
from toolkit.terraform.program import Program

SETTING = "TOOLKIT_PROVIDER_MIRROR"
ADD_ON_ROOTS = (Path("/opt"), Path("/usr/share"), Path("/usr/local/share"))
REMEDY = (
    f"make the registry reachable (HTTPS_PROXY), or set {SETTING} to a folder created by "
    "`terraform providers mirror FOLDER` on a machine with access to it"
)
# A reachable registry responds in a fraction of this; a network that drops packets takes half a minute.
PROBE_SECONDS = 3.0


@dataclass(frozen=True)
class Sources:
    """Provider sources, before the registry.

    Attributes:
        mirrors: in order of preference.
        tried: a line for each source searched, for error messages.
    """

    mirrors: tuple[Mirror, ...] = ()
    tried: tuple[str, ...] = ()

    @property
    def plugin_cache(self) -> Path | None:
        """Cache for installed providers; None if it is a mirror too, which Terraform forbids."""
        cache = plugin_cache()
        return None if any(mirror.path == cache for mirror in self.mirrors) else cache


def plugin_cache() -> Path:
    """Folder of installed providers; its mirror layout makes it usable offline."""
    return cache_dir() / "terraform" / "plugins"


def find(program: Program, stack: Path, user: UserConfig) -> Sources:
    """Choose the provider sources of a stack.

    A `provider_installation` in the user's configuration decides alone. Otherwise `TOOLKIT_PROVIDER_MIRROR`,
    or else Terraform's implied mirror directories, precede the registry. Earlier installations and add-on
    directories replace a registry that is unreachable.

    Raises:
        InputError: `TOOLKIT_PROVIDER_MIRROR` is not a directory.
    """
    if user.has_provider_installation:
        files = ", ".join(map(str, user.files))
        return Sources(tried=(f"provider_installation in {files}",))
    directory = os.environ.get(SETTING)
    chosen = [(_named_directory(directory), SETTING)] if directory else _implied(program, stack)
    tried: list[str] = []
    mirrors = _search(chosen, program, tried)
    fallback = _search([] if directory else _fallback(program), program, tried)
    if not fallback:
        tried.append(f"{program.registry_host} (registry)")
        return Sources(tuple(mirrors), tuple(tried))
    problem = registry_problem(program.registry_host)
    tried.append(f"{program.registry_host} (registry): {problem or 'reachable'}")
    return Sources((*mirrors, *(fallback if problem else ())), tuple(tried))


@contextmanager
def exclusive_cache(console: Console) -> Iterator[None]:
    """Lock the plugin cache against concurrent installations, which Terraform does not do."""
    waiting = "waiting for another run that is installing providers …"
    with exclusive_lock(plugin_cache().with_suffix(".lock"), lambda: console.line(waiting)):
        yield


def _named_directory(directory: str) -> Path:
    path = Path(directory).expanduser().absolute()
    if not path.is_dir():
        raise InputError(
            f"{SETTING}={directory} is not a directory",
            remedy="set it to the target folder of `terraform providers mirror`",
        )
    return path


def _implied(program: Program, stack: Path) -> list[tuple[Path, str]]:
    """Terraform's implied local mirror directories."""
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
    directories = [(plugin_cache(), "installed earlier")]
    for root in ADD_ON_ROOTS:
        directories += [
            (host.parent, "add-on directory") for host in sorted(root.glob(f"*/{program.registry_host}"))
        ]
    return directories


def _search(directories: Iterable[tuple[Path, str]], program: Program, tried: list[str]) -> list[Mirror]:
    mirrors = []
    for path, origin in directories:
        available = packages(path, program.platform)
        nothing = f"no provider for {program.platform}" if path.is_dir() else "does not exist"
        descriptions = [
            f"{provider} {', '.join(versions)}" for provider, versions in sorted(available.items())
        ]
        tried.append(f"{path} ({origin}): {'; '.join(descriptions) or nothing}")
        if available:
            mirrors.append(Mirror(path, tuple(sorted(available)), origin))
    return mirrors


def packages(mirror: Path, platform: str) -> dict[str, list[str]]:
    """Versions by provider in a mirror for `platform`, in the packed or unpacked layout."""
    versions: dict[str, list[str]] = {}
    # host/namespace/type/version/platform/
    for package in sorted(mirror.glob(f"*/*/*/*/{platform}")):
        if package.is_dir():  # not a dangling link
            versions.setdefault(package.parents[1].relative_to(mirror).as_posix(), []).append(
                package.parent.name
            )
    # host/namespace/type/terraform-provider-type_version_platform.zip
    for package in sorted(mirror.glob(f"*/*/*/terraform-provider-*_{platform}.zip")):
        version = package.name.removesuffix(f"_{platform}.zip").rpartition("_")[2]
        versions.setdefault(package.parent.relative_to(mirror).as_posix(), []).append(version)
    return versions


def registry_problem(host: str) -> str | None:
    """Why the registry is unreachable; None if it responds. Takes at most PROBE_SECONDS."""
    result: list[str | None] = []
    # In a thread, because no timeout covers DNS resolution. urllib honours proxies, as Terraform does.
    probe = threading.Thread(
        target=lambda: result.append(_probe(f"https://{host}/.well-known/terraform.json")), daemon=True
    )
    probe.start()
    probe.join(PROBE_SECONDS)
    return result[0] if result else f"no response within {PROBE_SECONDS:g} s"


def _probe(url: str) -> str | None:
    import urllib.error
    import urllib.request

    try:
        with urllib.request.urlopen(url, timeout=PROBE_SECONDS):  # noqa: S310 - always https
            return None
    except urllib.error.HTTPError as error:
        return None if error.code < 500 else f"HTTP {error.code}"
    except (OSError, ValueError) as error:
        return str(getattr(error, "reason", error))
