"""Text of memory estimates."""

from __future__ import annotations

from collections.abc import Iterator

from toolkit.serving.memory import Estimate
from toolkit.serving.memory.estimate import Term

_VERDICTS = {
    "fits": "fits",
    "tight": "MAY NOT FIT",
    "does_not_fit": "DOES NOT FIT",
    "unknown": "unknown",
}


def lines(name: str, hardware: str, source: str, estimate: Estimate) -> Iterator[str]:
    """The verdict, the sum and what to change."""
    yield f"{name}: {_VERDICTS[estimate.verdict]} on {hardware}"
    width = max((len(_size(term)) for term in estimate.terms), default=0)
    for term in estimate.terms:
        yield f"  {term.name:<12}{_size(term):>{width}}  {term.formula}"
    yield f"  {estimate.reason}"
    if estimate.largest_context:
        limit = f"  largest {estimate.option} that fits: {estimate.largest_context}"
        if estimate.trained_context is not None and estimate.largest_context + 16 > estimate.trained_context:
            limit += ", the length that the model was trained for"
        if estimate.concurrency is not None:
            limit += f"; {estimate.concurrency:.1f} requests of {estimate.context:,} tokens fit at once"
        yield limit
    if source:
        yield f"  from {source}"
    if estimate.remedy:
        yield f"  → {estimate.remedy}"


def _size(term: Term) -> str:
    low, high = term.low / 2**30, term.high / 2**30
    return f"{low:.2f} GiB" if f"{low:.2f}" == f"{high:.2f}" else f"{low:.2f} to {high:.2f} GiB"
