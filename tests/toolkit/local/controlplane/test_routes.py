from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from werkzeug.routing import Map, Rule

from toolkit.local.controlplane.application import compile_one_at_a_time


def test_routes_are_compiled_in_one_thread_at_a_time() -> None:
    compiling: list[Rule] = []
    overlaps: list[int] = []

    class Observed(Rule):
        def _compile_builder(self, *arguments: Any) -> Any:
            compiling.append(self)
            overlaps.append(len(compiling))
            # Let the other threads run.
            time.sleep(0)
            builder = super()._compile_builder(*arguments)
            compiling.remove(self)
            return builder

    def routes(service: int) -> Map:
        return Map([Observed(f"/{service}/{path}/<name>", endpoint=path) for path in range(50)])

    compile_one_at_a_time(Observed)
    with ThreadPoolExecutor(4) as pool:
        maps = list(pool.map(routes, range(4)))
    assert maps[2].bind("host").match("/2/7/x") == (7, {"name": "x"})
    assert set(overlaps) == {1}
