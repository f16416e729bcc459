"""Sources of providers: configured, implied, found, or the registry."""

from __future__ import annotations

import io
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.support.patience import HANG_SECONDS
from toolkit.console import Console
from toolkit.errors import InputError, TerraformError
from toolkit.terraform import Program, Workspace, providers
from toolkit.terraform.cli_config import UserConfig

AWS = "registry.terraform.io/hashicorp/aws"
NEEDS_AWS = 'terraform {\n  required_providers {\n    aws = { source = "hashicorp/aws" }\n  }\n}\n'
PROGRAM = Program(("terraform",), "Terraform", "1.11.4", "linux_amd64", "PATH")


def package(
    mirror: Path, version: str = "5.100.0", platform: str = "linux_amd64", provider: str = AWS
) -> Path:
    folder = mirror / provider / version / platform
    folder.mkdir(parents=True)
    return mirror


@pytest.fixture(autouse=True)
def no_add_ons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Add-on roots of this test alone, and no registry."""
    root = tmp_path / "opt"
    root.mkdir()
    monkeypatch.setattr(providers, "ADD_ON_ROOTS", (root,))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_DATA_DIRS", f"{tmp_path / 'site'}:{tmp_path / 'other'}")
    monkeypatch.setenv("TOOLKIT_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(providers, "registry_problem", lambda _: "out of reach")
    return root


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(providers, "registry_problem", lambda _: None)


def find(tmp_path: Path, user: UserConfig | None = None) -> providers.Sources:
    return providers.find(PROGRAM, tmp_path / "stack", user or UserConfig())


class TestOrder:
    @pytest.mark.usefixtures("answering")
    def test_a_configured_mirror_is_used_without_the_registry(
        self, tmp_path: Path, no_add_ons: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        package(no_add_ons / "found")
        monkeypatch.setenv("TOOLKIT_PROVIDER_MIRROR", str(package(tmp_path / "chosen")))
        (mirror,) = find(tmp_path).mirrors
        assert (mirror.path, mirror.providers) == (tmp_path / "chosen", (AWS,))

    def test_an_empty_configured_mirror_has_no_fallback(
        self, tmp_path: Path, no_add_ons: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        package(no_add_ons / "found")
        (tmp_path / "chosen").mkdir()
        monkeypatch.setenv("TOOLKIT_PROVIDER_MIRROR", str(tmp_path / "chosen"))
        assert find(tmp_path).mirrors == ()

    def test_a_configured_mirror_must_be_a_folder(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TOOLKIT_PROVIDER_MIRROR", str(tmp_path / "nothing"))
        with pytest.raises(InputError, match=r"TOOLKIT_PROVIDER_MIRROR=.*nothing is not a directory"):
            find(tmp_path)

    @pytest.mark.skipif(sys.platform == "darwin", reason="other folders")
    @pytest.mark.parametrize(
        "folder",
        [
            "stack/terraform.d/plugins",
            "home/.terraform.d/plugins",
            "data/terraform/plugins",
            "site/terraform/plugins",
            "other/terraform/plugins",
        ],
    )
    @pytest.mark.usefixtures("answering")
    def test_implied_mirrors_precede_the_registry(self, folder: str, tmp_path: Path) -> None:
        package(tmp_path / folder)
        assert [mirror.path for mirror in find(tmp_path).mirrors] == [tmp_path / folder]

    def test_fallbacks_replace_an_unreachable_registry(self, tmp_path: Path, no_add_ons: Path) -> None:
        package(no_add_ons / "tf")
        package(providers.plugin_cache(), version="5.99.0")
        sources = find(tmp_path)
        assert [mirror.path for mirror in sources.mirrors] == [providers.plugin_cache(), no_add_ons / "tf"]
        assert sources.plugin_cache is None, "Terraform refuses a cache that is a mirror"

    @pytest.mark.usefixtures("answering")
    def test_fallbacks_do_not_replace_a_reachable_registry(self, tmp_path: Path, no_add_ons: Path) -> None:
        package(no_add_ons / "tf")
        sources = find(tmp_path)
        assert sources.mirrors == () and sources.plugin_cache == providers.plugin_cache()

    def test_packages_for_other_platforms_are_ignored(self, tmp_path: Path, no_add_ons: Path) -> None:
        package(no_add_ons / "tf", platform="darwin_arm64")
        sources = find(tmp_path)
        assert sources.mirrors == ()

    def test_a_provider_installation_of_the_user_takes_precedence(
        self, tmp_path: Path, no_add_ons: Path
    ) -> None:
        package(no_add_ons / "tf")
        user = UserConfig(files=(tmp_path / "rc",), has_provider_installation=True)
        sources = find(tmp_path, user)
        assert sources.mirrors == () and str(tmp_path / "rc") in sources.tried[0]


def test_both_layouts_of_a_mirror_are_read(tmp_path: Path) -> None:
    package(tmp_path, "5.99.0")
    package(tmp_path, "5.100.0")
    (tmp_path / AWS / "5.98.0").mkdir()
    (tmp_path / AWS / "5.98.0" / "linux_amd64").symlink_to(tmp_path / "gone")
    (tmp_path / AWS / "5.97.0").mkdir()
    (tmp_path / AWS / "5.97.0" / "linux_amd64").touch()
    packed = tmp_path / "example.com" / "team" / "tool"
    packed.mkdir(parents=True)
    (packed / "terraform-provider-tool_1.2.3_linux_amd64.zip").touch()
    (packed / "terraform-provider-tool_1.2.3_windows_amd64.zip").touch()
    assert providers.packages(tmp_path, "linux_amd64") == {
        AWS: ["5.100.0", "5.99.0"],
        "example.com/team/tool": ["1.2.3"],
    }


def test_a_missing_provider_is_an_error_that_lists_sources(
    stack: Callable[..., Workspace], tmp_path: Path, no_add_ons: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package(no_add_ons / "stale", version="4.0.0")
    # The test must pass with and without a network.
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    workspace = stack(NEEDS_AWS.replace('"hashicorp/aws"', '"hashicorp/aws", version = ">= 5"'))
    with pytest.raises(TerraformError) as caught:
        workspace.init()
    message = str(caught.value)
    assert "cannot install a provider" in message and caught.value.exit_code == 5
    for place in (
        f"{workspace.stack}/terraform.d/plugins (implied mirror directory): does not exist",
        f"{no_add_ons}/stale (add-on directory): {AWS} 4.0.0"
        if workspace.program.platform == "linux_amd64"
        else "",
        "registry.terraform.io (registry): out of reach",
        "TOOLKIT_PROVIDER_MIRROR",
        "terraform providers mirror",
    ):
        assert place in message


def test_an_empty_configured_mirror_lists_every_source_searched(
    stack: Callable[..., Workspace], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "chosen").mkdir()
    monkeypatch.setenv("TOOLKIT_PROVIDER_MIRROR", str(tmp_path / "chosen"))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    with pytest.raises(
        TerraformError, match=f"{tmp_path / 'chosen'} .TOOLKIT_PROVIDER_MIRROR.: no provider for"
    ):
        stack(NEEDS_AWS).init()


class TestProbe:
    @pytest.fixture
    def server(self) -> Iterator[HTTPServer]:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(int(self.path.strip("/")))
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        with HTTPServer(("127.0.0.1", 0), Handler) as server:
            thread = threading.Thread(target=server.serve_forever, args=(0.02,))
            thread.start()
            yield server
            server.shutdown()
            thread.join()

    @pytest.mark.parametrize(("status", "problem"), [(200, None), (404, None), (503, "HTTP 503")])
    def test_only_server_errors_count_as_unreachable(
        self, server: HTTPServer, status: int, problem: str | None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(providers, "PROBE_SECONDS", HANG_SECONDS)
        assert providers._probe(f"http://127.0.0.1:{server.server_port}/{status}") == problem

    def test_a_refused_connection_is_reported(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            assert "refused" in str(providers._probe(f"http://127.0.0.1:{free.getsockname()[1]}/"))

    def test_a_network_that_drops_packets_costs_little(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.undo()
        monkeypatch.setattr(providers, "PROBE_SECONDS", 0.2)
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen()
            assert providers.registry_problem(f"127.0.0.1:{silent.getsockname()[1]}")

    def test_a_silent_resolver_costs_little(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.undo()
        monkeypatch.setattr(providers, "PROBE_SECONDS", 0.2)
        respond = threading.Event()

        def resolve(*_: object, **__: object) -> None:
            respond.wait()
            raise OSError("no answer")

        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        try:
            assert providers.registry_problem("registry.example") == "no response within 0.2 s"
        finally:
            respond.set()


def test_concurrent_runs_install_into_the_cache_in_turn(
    console_output: io.StringIO, console: Console
) -> None:
    entered, leave, order = threading.Event(), threading.Event(), []

    def first() -> None:
        with providers.exclusive_cache(console):
            entered.set()
            leave.wait()
            order.append("first")

    def second() -> None:
        with providers.exclusive_cache(console):
            order.append("second")

    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    threads[0].start()
    entered.wait()
    threads[1].start()
    while "waiting for another run" not in console_output.getvalue():
        time.sleep(0.01)
    leave.set()
    for thread in threads:
        thread.join()
    assert order == ["first", "second"]
