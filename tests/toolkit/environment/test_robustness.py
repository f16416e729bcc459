"""Any content of an environment file gives an environment or a message, never a traceback.

The keys come from the types of the environment file, so that a new key is tested without a change here.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.checkout import ROOT
from tests.support.damage import VALUES, damaged_bytes
from tests.toolkit.environment.everything import EVERYTHING
from tests.toolkit.environment.invalid_files import VALID
from toolkit import iam, rendering
from toolkit.environment import Environment, load, validation_errors
from toolkit.environment.document import MAX_NUMBER, Document, parse
from toolkit.environment.loader import validate
from toolkit.errors import InputError
from toolkit.project import Project
from toolkit.staging.addresses import variants_with_weights

FILE = "terraform/environments/dev.yaml"
SOURCE = parse(EVERYTHING)
# In place of the name of a model, a variant or a tag.
ANY = "*"
KeyPath = tuple[str | int, ...]


def keys(annotation: Any = Environment, path: KeyPath = ()) -> Iterator[KeyPath]:
    """Return the paths of all keys that an environment file may have."""
    annotation = validation_errors._bare(annotation)
    for option in validation_errors._alternatives(annotation) or (annotation,):
        kind = validation_errors._bare(option)
        if validation_errors._is_config(kind):
            for key, field in validation_errors.fields(kind).items():
                yield (*path, key)
                yield from keys(field.annotation, (*path, key))
        elif get_origin(kind) is dict:
            yield from keys(get_args(kind)[1], (*path, ANY))
        elif get_origin(kind) is tuple:
            yield from keys(get_args(kind)[0], (*path, 0))


KEYS = sorted(set(keys()), key=str)


def plain(value: Any) -> Any:
    """A value as YAML gives it."""
    if isinstance(value, list):
        return tuple(map(plain, value))
    if isinstance(value, int | float) and abs(value) > MAX_NUMBER:
        return MAX_NUMBER
    return {key: plain(item) for key, item in value.items()} if isinstance(value, dict) else value


def own(value: Any) -> Iterator[Any]:
    """Return all values in a document."""
    yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, tuple) else ():
        yield from own(item)


# Values of other keys are of the right form more often than random ones.
NEW = VALUES.map(plain) | st.sampled_from(
    [
        *own(SOURCE.data),
        "${x}",
        "%{ if true }",
        "*",
        "a/b",
        "s3://",
        "arn:aws:s3:::",
        "0",
        "2026-13-45T99:99:99",
    ]
)


def put(value: Any, path: KeyPath, new: Any) -> Any:
    """Return a copy with a value at a path; its parents are created."""
    if not path:
        return new
    key, *rest = path
    if key == 0:
        first, *others = value if isinstance(value, tuple) and value else (None,)
        return (put(first, tuple(rest), new), *others)
    copy = dict(value) if isinstance(value, dict) else {}
    name = next(iter(copy), "a") if key == ANY else key
    copy[name] = put(copy.get(name), tuple(rest), new)
    return copy


def remove(value: Any, path: KeyPath) -> Any:
    """Return a copy without a key; it is unchanged if it has no such key."""
    key, *rest = path
    if key == 0 and isinstance(value, tuple) and value:
        return (remove(value[0], tuple(rest)), *value[1:]) if rest else value[1:]
    name = next(iter(value), None) if key == ANY and isinstance(value, dict) else key
    if not isinstance(value, dict) or name not in value:
        return value
    if rest:
        return {**value, name: remove(value[name], tuple(rest))}
    return {other: item for other, item in value.items() if other != name}


def check(data: Any, directory: Path) -> None:
    """Validate a file; render the variables and policies of one that is valid."""
    document = Document(data, lines=SOURCE.lines, sources=SOURCE.sources)
    try:
        environment = validate(document, "dev", FILE)
    except InputError as error:
        assert str(error).startswith(f"{FILE}:")
        assert error.exit_code == 2
        return
    weights = {name: f"s3://weights/{name}/" for name in variants_with_weights(environment)}
    inputs = rendering.RenderInputs(weights, "../gateway.zip", "../authorizer.zip")
    rendering.render(environment, inputs, directory)
    documents = iam.documents(Project(ROOT), [environment])
    rendering.render_account([environment], documents, directory)
    rendering.render_backend(environment, "inference", directory)


def test_every_key_of_the_example_is_a_key_of_the_types() -> None:
    assert len(KEYS) > 150
    assert ("models", ANY, "capacity", "schedules", 0, "cron") in KEYS


@pytest.mark.slow
@pytest.mark.parametrize("section", sorted({path[0] for path in KEYS}, key=str))
def test_any_key_may_be_missing_or_of_another_type(directory: Path, section: str) -> None:
    for path in (path for path in KEYS if path[0] == section):
        check(remove(SOURCE.data, path), directory)
        for value in (None, 7, -1, MAX_NUMBER, "x", (), {}, (None,), {"x": None}):
            check(put(SOURCE.data, path, value), directory)


@pytest.mark.slow
@hypothesis.settings(max_examples=4 * hypothesis.settings.default.max_examples)
@given(changes=st.lists(st.tuples(st.sampled_from(KEYS), NEW | st.just(...)), min_size=1, max_size=3))
def test_any_value_of_any_key_is_handled(directory: Path, changes: list[tuple[KeyPath, Any]]) -> None:
    data = SOURCE.data
    for path, value in changes:
        data = remove(data, path) if value is ... else put(data, path, value)
    check(data, directory)


YAML_TOKENS = st.sampled_from(
    [
        b'"\\U00110000"',
        b'"\\UFFFFFFFF"',
        b'"\\uD800"',
        b'"\\0"',
        b"\t",
        b"&a ",
        b"*a",
        b"<<: *a",
        b"!!binary ",
        b"!x ",
        b"? ",
        b"- ",
        b": ",
        b"|\n",
        b"{",
        b"]",
        b"#",
        b"%YAML 1.1\n---\n",
        b"---\n",
        b".inf",
        b"0o777",
        b"0x" + b"f" * 5000,
        b"2026-11-30",
        b"[" * 2000,
        b"\x85",
        "\u2028".encode(),
    ]
) | st.text(max_size=4).map(lambda text: text.encode(errors="surrogatepass"))


@st.composite
def files(draw: st.DrawFn) -> bytes:
    """Return the content of a file with a YAML token in any place, or with damaged bytes."""
    content = draw(st.sampled_from([VALID, VALID, VALID, EVERYTHING])).encode()
    if draw(st.booleans()):
        return draw(damaged_bytes(content))
    place = draw(st.integers(0, len(content)))
    return content[:place] + draw(YAML_TOKENS) + content[place + draw(st.sampled_from([0, 0, 1, 9])) :]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all examples share."""
    return tmp_path_factory.mktemp("project")


def read(directory: Path, content: bytes) -> None:
    project = Project(directory)
    project.environments.mkdir(parents=True, exist_ok=True)
    project.environment_file("dev").write_bytes(content)
    try:
        assert isinstance(load(project, "dev"), Environment)
    except InputError as error:
        assert str(error).startswith(f"{FILE}:")
        assert error.exit_code == 2


@pytest.mark.slow
@hypothesis.settings(max_examples=3 * hypothesis.settings.default.max_examples)
@given(content=files() | st.binary(min_size=1, max_size=60))
def test_any_file_is_handled(directory: Path, content: bytes) -> None:
    read(directory, content)


ALIASES = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
MERGES = "".join(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}\n" for n in range(1, 12))


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ('name: llm\na: "\\U00110000"', 2, "an escape or a number without meaning"),
        ('name: llm\n"\\UFFFFFFFF": 1', 2, "an escape or a number without meaning"),
        (VALID + 'description: "\\uD800"', 22, "description: an escape is half of a character"),
        (VALID + 'description: "\\uD83D\\uDE00"\n', None, ""),
        ("a0: &a0 [x]\n" + ALIASES, 1, "more than 20000 values"),
        ("a0: &a0 {k: 1}\n" + MERGES, 1, "more than 20000 values"),
        pytest.param("a: " + "[" * 3000, 1, "nested too deep", marks=pytest.mark.slow),
        ("a: " + "x" * 2**19, 1, "larger than 512 KiB"),
        (VALID.encode("utf-16").decode("latin-1"), 1, ""),
        ("\ufeff" + VALID, None, ""),
        (VALID.replace("burst: 5", "burst: " + "1" * 5000), 21, "is too large"),
        (VALID.replace("burst: 5", "burst: " + "1" * 400), 21, "is too large"),
        (VALID.replace("burst: 5", "burst: 1e999"), 21, "is too large"),
        (VALID.replace("burst: 5", "burst: .inf"), 21, "is not a number"),
        (VALID.replace("burst: 5", "burst: 0o5"), None, ""),
        (VALID.replace("name: llm", "name: 2026-11-30"), 2, "is not valid here"),
        (VALID.replace("name: llm", "name: !!binary bGxt"), 2, "is not supported"),
        (VALID + "1: x", 22, "the key 1 is not a string"),
        (VALID.replace("region:", "name: x\nregion:"), 3, "the key is already in line 2"),
    ],
)
def test_unusual_yaml_is_read_or_refused_with_its_line(
    tmp_path: Path, text: str, line: int | None, reason: str
) -> None:
    project = Project(tmp_path)
    project.environments.mkdir(parents=True)
    project.environment_file("dev").write_bytes(text.encode())
    if line is None:
        assert load(project, "dev").project == "llm"
        return
    with pytest.raises(InputError) as caught:
        load(project, "dev")
    assert f"{FILE}:{line}: " in str(caught.value)
    assert reason in str(caught.value)
