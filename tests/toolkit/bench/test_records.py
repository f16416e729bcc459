"""Benchmarks in files and in the state bucket: complete, found again, and refused if they are damaged."""

from __future__ import annotations

import gzip
import json
import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.measurements import benchmark
from toolkit import documents
from toolkit.aws.access import AwsAccess
from toolkit.bench import compare, records
from toolkit.bench.records import Records
from toolkit.bench.results import Stage
from toolkit.errors import InputError, StateError

SMALL = benchmark((1,), requests=30)


def in_bucket(account: AwsAccess, bucket: str) -> Records:
    account.s3.create_bucket(Bucket=bucket)
    return Records(account, bucket, "dev")


@pytest.mark.parametrize("name", ["a.json", "a.json.gz"])
def test_a_file_is_read_back_complete(tmp_path: Path, name: str) -> None:
    records.write_file(tmp_path / name, SMALL)
    read = records.read_file(tmp_path / name)
    assert (read.subject, read.workload, read.generator) == (SMALL.subject, SMALL.workload, SMALL.generator)
    (before,), (after,) = SMALL.stages, read.stages
    assert len(after.requests) == len(before.requests)
    for first, second in zip(before.requests, after.requests, strict=True):
        assert second.total == pytest.approx(first.total, abs=1e-6)
        assert second.gaps == pytest.approx(first.gaps, abs=1e-6)
        assert (second.input_tokens, second.output_tokens, second.error) == (512, 32, None)
    # Nothing changes if it is stored again.
    assert records.identifier(read) == records.identifier(SMALL)


def test_a_pipe_gets_the_result_and_is_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "a.json"
    os.mkfifo(pipe)
    # So that writing to it does not wait; the result is smaller than its buffer.
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    small = benchmark((1,), requests=2)
    try:
        records.write_file(pipe, small)
        assert os.read(reader, 65_536) == records.dumps(small)
    finally:
        os.close(reader)
    assert pipe.is_fifo()


def test_a_stage_that_ended_in_its_warm_up_is_read_back(tmp_path: Path) -> None:
    stage = Stage("api", 0.0, (), concurrency=8, stopped="interrupted")
    stored = replace(SMALL, stages=(*SMALL.stages, stage))
    records.write_file(tmp_path / "a.json", stored)
    assert records.read_file(tmp_path / "a.json").stages[-1] == stage
    assert len(compare.compare(stored, stored).rows) == len(compare.compare(SMALL, SMALL).rows)


def test_a_compressed_file_is_small(tmp_path: Path) -> None:
    records.write_file(tmp_path / "a.json.gz", benchmark((8,), requests=500))
    assert (tmp_path / "a.json.gz").stat().st_size < 500 * 32 * 5


def edited(**members: Any) -> bytes:
    return json.dumps({**json.loads(records.dumps(SMALL)), **members}).encode()


def first_stage(**members: Any) -> bytes:
    stage = json.loads(records.dumps(SMALL))["stages"][0]
    return edited(stages=[{**stage, **members}])


@pytest.mark.parametrize(
    ("content", "damage"),
    [
        (b"", "not JSON"),
        (b"\x1f\x8bgarbage", "not a gzip file, or damaged"),
        (gzip.compress(records.dumps(SMALL))[:-20], "the gzip file is incomplete"),
        (gzip.compress(b" " * (documents.MAX_BYTES + 1)), "larger than"),
        (edited(stages=7), "stages"),
        (edited(version=2), "a later toolkit"),
        (edited(started="yesterday"), "started"),
        (edited(started="2026-11-30T10:15:00"), "not a time in UTC"),
        (edited(model="../../other"), "not the name of a model"),
        (edited(environment="dev --> <b>"), "not the name of one"),
        (first_stage(seconds=0), "stages[0].seconds"),
        (first_stage(seconds=1e-320), "stages[0].seconds"),
        (first_stage(seconds=1e300), "stages[0].seconds"),
        (first_stage(requests=[{"started": 0, "total": 1, "gaps": [1e300]}]), "too large"),
        (first_stage(concurrency=0), "above 0"),
        (first_stage(rate=2.0), "exactly one of concurrency and rate"),
        (first_stage(requests=[{"started": 0, "total": -1}]), "stages[0].requests[0]"),
        (first_stage(requests=[{"started": 0, "total": 1, "gaps": [1, -1]}]), "below 0"),
    ],
)
def test_a_damaged_file_is_refused_with_its_place(tmp_path: Path, content: bytes, damage: str) -> None:
    file = tmp_path / "a.json"
    file.write_bytes(content)
    with pytest.raises(InputError, match="cannot read the benchmark") as caught:
        records.read_file(file)
    assert damage in caught.value.details[0]
    assert caught.value.where == str(file)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file") as caught:
        records.load("results.json")
    assert caught.value.remedy == "pass --env ENV for a stored benchmark"
    with pytest.raises(InputError, match="this is a folder"):
        records.load(str(tmp_path))


def test_a_result_that_nobody_could_read_is_not_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "MAX_BYTES", 1000)
    with pytest.raises(InputError, match="cannot store the benchmark"):
        records.dumps(SMALL)


@pytest.mark.slow
def test_stored_benchmarks_are_listed_and_found(account: AwsAccess) -> None:
    stored = in_bucket(account, "benchmarks-found")
    with pytest.raises(InputError, match="no benchmark of dev is stored"):
        stored.resolve("latest")
    older = stored.save(SMALL)
    newer = stored.save(
        replace(SMALL, started="2026-11-30T11:00:00Z", subject=replace(SMALL.subject, release=8))
    )
    other = stored.save(replace(SMALL, started="2026-11-30T09:00:00+00:00", model="qwen3-embed"))
    # The same content again is the same record.
    assert stored.save(SMALL) == older
    account.s3.put_object(Bucket=stored.bucket, Key="dev/benchmarks/notes.txt", Body=b"kept")
    account.s3.put_object(Bucket=stored.bucket, Key="prod/benchmarks/other.json.gz", Body=b"kept")
    assert stored.ids() == [newer, older, other]
    assert stored.ids("qwen3") == [newer, older]
    assert [record.id for record in stored.list(limit=1)] == [newer]
    assert stored.resolve("latest")[0] == newer
    assert stored.resolve("latest", "qwen3-embed")[0] == other
    assert stored.resolve("release:7", "qwen3")[0] == older
    assert stored.resolve(older[:16], "qwen3")[0] == older
    assert stored.resolve(older)[1].subject == SMALL.subject
    for reference, message in (
        ("release:9", "measured release 9"),
        ("release:x", "is named release:x"),
        ("2025", "is named 2025"),
        ("2026", "3 benchmarks of dev begin with 2026"),
    ):
        with pytest.raises(InputError, match=message):
            stored.resolve(reference)


@pytest.mark.slow
def test_damaged_records_are_reported(account: AwsAccess) -> None:
    stored = in_bucket(account, "benchmarks-damaged")
    valid = stored.save(SMALL)
    contents = {
        "00000001": b"{",
        "00000002": b"\x1f\x8b",
        # Complete, but of another id.
        "00000003": records.dumps(SMALL),
    }
    for digest, content in contents.items():
        key = f"dev/benchmarks/20260101T000000Z-qwen3-{digest}.json.gz"
        account.s3.put_object(Bucket=stored.bucket, Key=key, Body=content)
    all_records = stored.list()
    assert [record.id for record in all_records if record.damage is None] == [valid]
    assert len([record for record in all_records if record.damage]) == 3
    for digest in contents:
        with pytest.raises(StateError, match="was changed after it was stored") as caught:
            stored.resolve(f"20260101T000000Z-qwen3-{digest}")
        assert caught.value.where is not None
        assert caught.value.where.startswith("s3://benchmarks-damaged/dev/benchmarks/")
    # A damaged record does not prevent the next, or the search for a release.
    assert stored.resolve("release:7")[0] == valid


def test_every_member_is_stored() -> None:
    """A member that is added to the format must be in the record, too."""
    (stage,) = SMALL.stages
    request = asdict(stage.requests[0])
    stored = json.loads(records.dumps(SMALL))
    assert set(stored) == set(asdict(SMALL))
    assert set(stored["stages"][0]["requests"][0]) == {
        key for key, value in request.items() if value is not None
    }
