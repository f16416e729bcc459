"""Writes a suggested capacity, and the benchmark that it rests on, into the environment file."""

from __future__ import annotations

from difflib import unified_diff
from typing import Any

from toolkit import documents
from toolkit.bench.results import Benchmark
from toolkit.bench.suggest import Suggestion
from toolkit.deployment.context import Context
from toolkit.deployment.measured import IDENTITY
from toolkit.environment import loader
from toolkit.environment.document import parse
from toolkit.environment.editor import update
from toolkit.errors import InputError
from toolkit.files import write_atomic


def write(context: Context, benchmark: Benchmark, id_: str, suggestion: Suggestion) -> str:
    """Write the suggestion into the model's `capacity`; returns the difference of the file, empty if none.

    Args:
        context: the environment.
        benchmark: the benchmark.
        id_: its id, or the name of its file.
        suggestion: what it suggests.

    Raises:
        InputError: the file has no such model, or it cannot be edited.
    """
    environment = context.environment
    model = environment.models.get(benchmark.model)
    path = ("models", benchmark.model, "capacity")
    where = f"{environment.file}: {'.'.join(path)}"
    if model is None or model.variants:
        reason = "no such model" if model is None else "each of its variants has a capacity"
        raise InputError(f"cannot write the capacity: {reason}", where=where, remedy="set it by hand")
    # At the API, the gateway is a part of the measured latencies.
    members = [name for name in IDENTITY if name != "gateway" or suggestion.target == "api"]
    values: dict[str, Any] = {
        "max": max(suggestion.instances, model.capacity.min),
        "concurrent_requests": suggestion.concurrent_requests,
        "measured": {
            "benchmark": id_,
            **{name: getattr(benchmark.subject, name) for name in members},
        },
    }
    file = context.project.environment_file(environment.name)
    text = documents.decode(documents.load(file))
    edited = update(text, path, values, environment.file)
    loader.validate(parse(edited), environment.name, environment.file)
    if edited != text:
        write_atomic(file, edited)
    lines = unified_diff(
        text.splitlines(), edited.splitlines(), environment.file, environment.file, n=2, lineterm=""
    )
    return "\n".join(lines)
