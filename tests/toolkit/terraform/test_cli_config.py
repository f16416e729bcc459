"""The user's CLI configuration is respected, never written, and its tokens are not copied."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from toolkit.project import cache_dir
from toolkit.terraform import Program, cli_config
from toolkit.terraform.cli_config import Mirror

RC = """
plugin_cache_dir   = "$HOME/plugins"  # mine
disable_checkpoint = true
credentials "registry.example-team.com" {
  token = "hush-hush"
}
credentials_helper "vault" {
  args = ["--quiet"]
}
host "registry.example-team.com" {
  services = { "modules.v1" = "https://127.0.0.1:1/modules/" }
}
"""
OWN_SOURCES = "provider_installation {\n  direct {}\n}\n"


def config_text(environment: dict[str, str]) -> str:
    return Path(environment["TF_CLI_CONFIG_FILE"]).read_text()


@pytest.fixture
def home() -> Path:
    folder = Path.home()
    folder.mkdir(exist_ok=True)
    return folder


def warnings(program: Program, environment: dict[str, str]) -> str:
    """Return Terraform's output for a CLI configuration."""
    result = subprocess.run(
        [*program.argv, "version"],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return result.stderr


def test_user_settings_are_copied_and_valid_for_terraform(program: Program, home: Path) -> None:
    (home / ".terraformrc").write_text(RC)
    (home / "plugins").mkdir()
    (home / ".terraform.d").mkdir()
    (home / ".terraform.d" / "more.tfrc").write_text("disable_checkpoint_signature = true\n")
    mirrors = [Mirror(home, ("registry.terraform.io/hashicorp/aws",), "test")]
    environment = cli_config.environment(program, mirrors, home / "another cache")
    text = config_text(environment)
    for kept in (
        'plugin_cache_dir   = "$HOME/plugins"',
        "disable_checkpoint = true",
        "vault",
        "https://127.0.0.1:1/",
    ):
        assert kept in text
    assert "disable_checkpoint_signature = true" in text
    assert "another cache" not in text, "the user has a cache"
    assert warnings(program, environment) == ""
    assert (home / ".terraformrc").read_text() == RC


def test_tokens_reach_terraform_but_not_files(program: Program, home: Path) -> None:
    (home / ".terraformrc").write_text(RC)
    environment = cli_config.environment(program)
    assert environment["TF_TOKEN_registry_example__team_com"] == "hush-hush"
    files = [file for file in cache_dir().rglob("*") if file.is_file()]
    assert files and not any("hush-hush" in file.read_text(errors="replace") for file in files)


def test_a_json_configuration_is_equivalent(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "mine.tfrc.json"
    file.write_text(
        '{"disable_checkpoint": true, "credentials": {"a.example": {"token": "hush-hush"}},'
        ' "host": {"a.example": {"services": {"modules.v1": "https://127.0.0.1:1/"}}}}'
    )
    monkeypatch.setenv("TF_CLI_CONFIG_FILE", str(file))
    environment = cli_config.environment(program)
    assert environment["TF_TOKEN_a_example"] == "hush-hush"
    assert "disable_checkpoint = true" in config_text(environment) and "https://127.0.0.1:1/" in config_text(
        environment
    )
    assert warnings(program, environment) == ""


@pytest.mark.parametrize("location", ["named", "home"])
def test_a_provider_installation_is_used_unchanged(
    location: str, program: Program, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = home / (".terraformrc" if location == "home" else "mine.tfrc")
    file.write_text(OWN_SOURCES)
    if location == "named":
        monkeypatch.setenv("TF_CLI_CONFIG_FILE", str(file))
    cache = home / "cache"
    environment = cli_config.environment(program, plugin_cache=cache)
    assert environment.get("TF_CLI_CONFIG_FILE") == (str(file) if location == "named" else None)
    assert environment["TF_PLUGIN_CACHE_DIR"] == str(cache) and cache.is_dir()


def test_a_missing_configuration_file_is_not_an_error(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TF_CLI_CONFIG_FILE", str(tmp_path / "nothing"))
    assert "does not exist" in warnings(program, {})
    assert warnings(program, cli_config.environment(program)) == ""


def test_the_registry_is_excluded_for_providers_in_mirrors(program: Program, tmp_path: Path) -> None:
    aws = "registry.terraform.io/hashicorp/aws"
    text = config_text(cli_config.environment(program, [Mirror(tmp_path, (aws,), "test")]))
    assert f'filesystem_mirror {{\n    path = "{tmp_path}"\n    include = ["{aws}"]\n  }}' in text
    assert f'direct {{\n    exclude = ["{aws}"]\n  }}' in text


def test_different_settings_use_different_files(program: Program, tmp_path: Path) -> None:
    first = cli_config.environment(program, plugin_cache=tmp_path / "one")
    second = cli_config.environment(program, plugin_cache=tmp_path / "two")
    assert first != second
    assert first == cli_config.environment(program, plugin_cache=tmp_path / "one")
