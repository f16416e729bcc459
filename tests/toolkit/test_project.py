"""Paths of a user without passwd entry, as in many containers."""

from __future__ import annotations

import pwd
from pathlib import Path

import pytest

from toolkit.aws import state_lock
from toolkit.errors import InputError
from toolkit.project import cache_dir
from toolkit.terraform import Program, cli_config, providers


@pytest.fixture(autouse=True)
def unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(uid: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    monkeypatch.setattr(pwd, "getpwuid", missing)
    for name in ("HOME", "LOGNAME", "USER", "LNAME", "USERNAME", "XDG_CACHE_HOME", "TF_CLI_CONFIG_FILE"):
        monkeypatch.delenv(name, raising=False)


def test_the_cache_is_not_put_just_anywhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("TOOLKIT_CACHE_DIR", raising=False)
    with pytest.raises(InputError, match="TOOLKIT_CACHE_DIR"):
        cache_dir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_dir().is_relative_to(tmp_path)
    monkeypatch.setenv("TOOLKIT_CACHE_DIR", str(tmp_path / "cache"))
    assert cache_dir() == tmp_path / "cache"


def test_terraform_has_no_settings_of_theirs(tmp_path: Path) -> None:
    program = Program(("terraform",), "Terraform", "1.12.2", "linux_amd64", "PATH")
    assert cli_config.read_user_config(program).files == ()
    assert tmp_path / "terraform.d" / "plugins" in dict(providers._implied(program, tmp_path))


def test_a_lock_tells_their_number() -> None:
    assert state_lock._user().startswith("user ")
