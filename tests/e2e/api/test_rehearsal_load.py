"""The load of rehearsals on a deployed API."""

from __future__ import annotations

from collections import defaultdict

import pytest

from tests.e2e.api.conftest import Api
from tests.support.patience import wait_for
from toolkit.console import Console
from toolkit.deployment import outputs
from toolkit.deployment.context import open_context
from toolkit.rehearsal.load import Load, apis_of

pytestmark = pytest.mark.e2e


def test_models_of_all_tasks_get_load(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(api.toolkit.project)
    context = open_context("clients", Console())
    apis, reasons = apis_of(context, outputs.read(context))
    assert set(apis) == {"smollm2", "embedder", "reranker", "echo", "guarded", "broken", "gone"}
    assert reasons == {}
    healthy = ("smollm2", "embedder", "reranker", "echo")
    running = Load({name: apis[name] for name in (*healthy, "broken")}, rate=20)
    running.start()
    wait_for(lambda: running.counts()[0] >= 30)
    results = defaultdict(set)
    for request in running.stop(0):
        results[request.model].add((request.status, request.error))
    assert {name: results[name] for name in healthy} == {name: {(200, None)} for name in healthy}
    assert all(status is not None and status >= 500 for status, _ in results["broken"])
