"""Lambda packages: reproducible, complete, quick when nothing changed."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from toolkit import packaging
from toolkit.console import Console
from toolkit.environment import Environment, load
from toolkit.errors import InputError, PreflightError
from toolkit.packaging import archive
from toolkit.project import Project

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
BUILD = """
import sys
from pathlib import Path
from toolkit import packaging
from toolkit.console import Console
from toolkit.project import Project
packages = packaging.build(Project(Path(sys.argv[1])), Console())
print(packages.gateway.sha256, packages.authorizer.sha256)
"""


def checkout(directory: Path) -> Project:
    for folder in ("environments", "stacks"):
        (directory / "terraform" / folder).mkdir(parents=True)
    shutil.copytree(
        ROOT / "lambda_src", directory / "lambda_src", ignore=shutil.ignore_patterns("__pycache__")
    )
    return Project(directory)


def quiet() -> Console:
    return Console(out=io.StringIO(), err=io.StringIO(), interactive=False)


def build_elsewhere(project: Project, umask: int, **environment: str) -> str:
    result = subprocess.run(
        [sys.executable, "-c", BUILD, str(project.root)],
        cwd=ROOT,
        env={**os.environ, **environment},
        umask=umask,
        capture_output=True,
        text=True,
        check=True,
    )
    return result.stdout


def test_two_machines_build_the_same_bytes(tmp_path: Path) -> None:
    one, other = checkout(tmp_path / "one"), checkout(tmp_path / "another place")
    for number, path in enumerate(sorted(other.root.rglob("*"), reverse=True)):
        os.utime(path, (1_500_000_000 + number, 1_500_000_000 + number))
    (other.root / "lambda_src" / "gateway" / "run.sh").chmod(0o600)
    (other.root / "lambda_src" / "gateway" / "__pycache__").mkdir()
    (other.root / "lambda_src" / "gateway" / "__pycache__" / "app.cpython-311.pyc").write_bytes(b"x")
    first = build_elsewhere(
        one, 0o022, LC_ALL="C", TZ="UTC", PYTHONHASHSEED="1", TOOLKIT_CACHE_DIR=str(tmp_path / "a")
    )
    second = build_elsewhere(
        other,
        0o077,
        LC_ALL="tr_TR.UTF-8",
        TZ="Asia/Tokyo",
        PYTHONHASHSEED="2",
        TOOLKIT_CACHE_DIR=str(tmp_path / "b"),
    )
    assert first == second


def test_the_package_runs_on_the_bare_runtime(tmp_path: Path) -> None:
    packages = packaging.build(checkout(tmp_path), quiet())
    with zipfile.ZipFile(packages.gateway.path) as opened:
        names = set(opened.namelist())
        modes = {entry.filename: entry.external_attr >> 16 & 0o777 for entry in opened.infolist()}
        opened.extractall(tmp_path / "task")
    assert {"run.sh", "gateway/__main__.py", "gateway/contract.json", "uvicorn/server.py"} <= names
    assert not [name for name in names if name.startswith(("bin/", "toolkit/", "boto", "requirements"))]
    assert not [name for name in names if name.endswith((".pyc", ".so", "RECORD", "INSTALLER"))]
    assert {mode for name, mode in modes.items() if name != "run.sh"} == {0o644}
    assert modes["run.sh"] == 0o755
    # With -I -S, Python can import only from the zip.
    task = str(tmp_path / "task")
    code = f"import sys; sys.path.insert(0, {task!r}); import gateway.app, uvicorn.protocols.http.h11_impl"
    subprocess.run([sys.executable, "-I", "-S", "-c", code], check=True)


def test_the_authorizer_has_no_dependencies(tmp_path: Path) -> None:
    packages = packaging.build(checkout(tmp_path), quiet())
    with zipfile.ZipFile(packages.authorizer.path) as opened:
        names = opened.namelist()
        opened.extractall(tmp_path / "task")
    assert {"authorizer/__init__.py", "authorizer/handler.py"} <= set(names)
    assert not [name for name in names if not name.startswith("authorizer/")]
    task = str(tmp_path / "task")
    code = f"import sys; sys.path.insert(0, {task!r}); import authorizer.handler"
    subprocess.run([sys.executable, "-I", "-S", "-c", code], check=True)


@pytest.mark.parametrize(("architecture", "machine"), [("arm64", b"\xb7"), ("x86_64", b"\x3e")])
def test_with_an_issuer_the_authorizer_has_libraries(
    tmp_path: Path, architecture: str, machine: bytes
) -> None:
    project = checkout(tmp_path)
    environment = with_api(project, ISSUER, f"gateway: {{architecture: {architecture}}}", target="aws")
    packages = packaging.build(project, quiet(), environment)
    with zipfile.ZipFile(packages.authorizer.path) as opened:
        compiled = {name: opened.read(name) for name in opened.namelist() if name.endswith(".so")}
        unpacked = sum(entry.file_size for entry in opened.infolist())
    # The machine in the header of each library: https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html
    assert {content[18:19] for content in compiled.values()} == {machine}
    assert {name.rsplit("/")[-1].split(".")[1] for name in compiled} == {
        f"cpython-313-{'aarch64' if architecture == 'arm64' else 'x86_64'}-linux-gnu",
        "abi3",
    }
    # Lambda reads it at a cold start. Without the limit, an unexpected package would pass.
    assert unpacked < 25_000_000


def test_local_authorizers_have_libraries_for_this_python(tmp_path: Path) -> None:
    project = checkout(tmp_path)
    packages = packaging.build(project, quiet(), with_api(project, ISSUER, "gateway: {architecture: arm64}"))
    with zipfile.ZipFile(packages.authorizer.path) as opened:
        opened.extractall(tmp_path / "task")
    code = f"import sys; sys.path.insert(0, {str(tmp_path / 'task')!r}); import authorizer.tokens"
    subprocess.run([sys.executable, "-I", "-S", "-c", code], check=True)


def test_packages_of_releases_before_jwts_are_recognized(tmp_path: Path) -> None:
    def packages(*names: str) -> dict[str, packaging.Package]:
        path = tmp_path / f"authorizer-{len(names)}.zip"
        archive.write(path, dict.fromkeys(names, b""))
        other = packaging.Package(tmp_path / "gateway-1.zip", "")
        return {other.path.name: other, path.name: packaging.Package(path, "")}

    assert not packaging.reserves_jwt_keys(packages("authorizer/handler.py"))
    built = packaging.build(checkout(tmp_path / "checkout"), quiet()).authorizer
    assert packaging.reserves_jwt_keys({built.path.name: built})


ISSUER = 'jwt: {issuer: "https://login.example", audience: [llm], default_usage_plan: default}'


def with_api(project: Project, *api: str, target: str = "local") -> Environment:
    """An environment with lines in its section `api`."""
    text = f"""
target: {target}
name: llm
region: us-east-1
account_id: "123456789012"
models:
  m: {{serving: {{engine: llama_cpp}}, source: {{path: weights/m/}}, instance_type: ml.c7i.xlarge}}
api:
"""
    project.environment_file("dev").write_text(text + "".join(f"  {line}\n" for line in api))
    return load(project, "dev")


def with_guard(project: Project, path: str, function: str) -> Environment:
    return with_api(project, f"guard: {{python: {{path: {path}, function: '{function}'}}}}")


def test_an_unchanged_package_is_not_rebuilt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = checkout(tmp_path)
    first = packaging.build(project, quiet())
    mtime = first.gateway.path.stat().st_mtime_ns
    # Neither pip nor the cache may be needed.
    monkeypatch.setenv("TOOLKIT_CACHE_DIR", str(tmp_path / "empty"))
    monkeypatch.setattr(subprocess, "run", None)
    assert packaging.build(project, quiet()) == first
    assert first.gateway.path.stat().st_mtime_ns == mtime


@pytest.mark.parametrize("change", ["source", "removed zip", "tampered zip"])
def test_a_changed_source_is_rebuilt(tmp_path: Path, change: str) -> None:
    project = checkout(tmp_path)
    first = packaging.build(project, quiet())
    if change == "source":
        (project.root / "lambda_src" / "gateway" / "new.py").write_text("ANSWER = 42\n")
    elif change == "removed zip":
        first.gateway.path.unlink()
    else:
        first.gateway.path.write_bytes(b"PK")
    second = packaging.build(project, quiet())
    assert (second.gateway == first.gateway) == (change != "source")
    assert second.authorizer == first.authorizer
    with zipfile.ZipFile(second.gateway.path) as opened:
        assert opened.testzip() is None
        assert ("gateway/new.py" in opened.namelist()) == (change == "source")


@pytest.mark.parametrize("function", packaging.FUNCTIONS)
def test_the_lock_file_works_for_every_supported_python(function: str) -> None:
    lock = ROOT / "lambda_src" / function / "requirements.txt"
    conditional = [line for line in lock.read_text().splitlines() if ";" in line]
    assert conditional == [], "pip judges conditions by the Python it runs in; run: make lock"


def test_an_unreachable_package_index_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOOLKIT_CACHE_DIR", str(tmp_path / "cache"))
    project = checkout(tmp_path / "project")
    lock = project.root / "lambda_src" / "gateway" / "requirements.txt"
    lock.write_text(lock.read_text().replace("--hash=sha256:", "--hash=sha256:0"))
    with pytest.raises(PreflightError) as caught:
        packaging.build(project, quiet())
    assert caught.value.where == str(lock)
    assert caught.value.details
    assert list((tmp_path / "cache" / "lambda").iterdir()) == []
    assert not project.lambda_build.exists()


def test_missing_source_is_named(tmp_path: Path) -> None:
    project = checkout(tmp_path)
    shutil.rmtree(project.root / "lambda_src" / "authorizer")
    with pytest.raises(InputError, match="authorizer"):
        packaging.build(project, quiet())


GUARD = "from gateway.guard import Verdict\n\nasync def check(content):\n    return None\n"


def test_the_users_guard_is_a_part_of_the_gateway(tmp_path: Path) -> None:
    project = checkout(tmp_path)
    without = packaging.build(project, quiet())
    folder = tmp_path / "guards"
    (folder / "__pycache__").mkdir(parents=True)
    (folder / "__pycache__" / "own.pyc").write_bytes(b"")
    (folder / "own.py").write_text(GUARD)
    (folder / "words.txt").write_text("forbidden")
    environment = with_guard(project, "guards", "own:check")
    guarded = packaging.build(project, quiet(), environment)
    assert guarded.authorizer == without.authorizer
    with zipfile.ZipFile(guarded.gateway.path) as archive, zipfile.ZipFile(without.gateway.path) as plain:
        assert set(archive.namelist()) - set(plain.namelist()) == {"guard/own.py", "guard/words.txt"}
    (folder / "words.txt").write_text("others")
    assert packaging.build(project, quiet(), environment).gateway != guarded.gateway
    single = packaging.build(project, quiet(), with_guard(project, "guards/own.py", "own:check"))
    with zipfile.ZipFile(single.gateway.path) as archive:
        assert "guard/own.py" in archive.namelist()
    assert packaging.build(project, quiet()) == without


@pytest.mark.parametrize(
    ("content", "function", "message"),
    [
        (None, "own:check", "cannot find the guard's module own"),
        (GUARD, "other:check", "cannot find the guard's module other"),
        (GUARD, "own:verify", "cannot find the function verify in the guard's module own"),
        ("def check(:\n", "own:check", "cannot parse the guard"),
    ],
)
def test_a_guard_that_cannot_be_packaged(
    tmp_path: Path, content: str | None, function: str, message: str
) -> None:
    project = checkout(tmp_path)
    (tmp_path / "guards").mkdir()
    if content is not None:
        (tmp_path / "guards" / "own.py").write_text(content)
    with pytest.raises(InputError, match="cannot find the guard"):
        packaging.build(project, quiet(), with_guard(project, "elsewhere", function))
    with pytest.raises(InputError, match=message) as caught:
        packaging.build(project, quiet(), with_guard(project, "guards/", function))
    assert caught.value.where is not None and caught.value.where.startswith("guards/")
