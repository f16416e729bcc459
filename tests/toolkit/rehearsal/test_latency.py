from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.measurements import benchmark
from toolkit.bench import text
from toolkit.errors import InputError
from toolkit.rehearsal.latency import measured
from toolkit.serving.stand_in import StandIn


def test_a_benchmark_gives_the_latency_of_the_stand_in(tmp_path: Path) -> None:
    path = tmp_path / "bench.json"
    document = json.loads(text.as_json(benchmark((4,))))
    path.write_text(json.dumps(document))
    stand_in = measured(StandIn(start_seconds=90), path)
    (stage,) = document["stages"]
    assert stand_in.first_token_seconds == stage["time_to_first_token"]["p50"]
    assert stand_in.token_seconds == stage["time_per_output_token"]["p50"]
    assert (stand_in.start_seconds, stand_in.source) == (90, "benchmark bench.json")


@pytest.mark.parametrize("content", [None, "[]", '{"stages": [{"time_to_first_token": null}]}'])
def test_a_file_without_latency_is_refused(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "bench.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match="cannot read the benchmark") as error:
        measured(StandIn(), path)
    assert error.value.details
