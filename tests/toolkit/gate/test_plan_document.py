"""References across modules."""

from __future__ import annotations

import copy
from typing import Any

from toolkit.gate.plan_document import resolve_references


def resource(address: str, **expressions: Any) -> dict[str, Any]:
    return {"address": address, "expressions": expressions}


DOCUMENT: dict[str, Any] = {
    "planned_values": {},
    "configuration": {
        "root_module": {
            "resources": [resource("aws_s3_bucket.state", bucket={"references": ["var.state_bucket"]})],
            "module_calls": {
                "store": {
                    "expressions": {
                        "bucket": {"references": ["aws_s3_bucket.state.bucket", "aws_s3_bucket.state"]},
                        "days": {"constant_value": 30},
                    },
                    "module": {
                        "module_calls": {
                            "baseline": {
                                "expressions": {"bucket": {"references": ["var.bucket"]}},
                                "module": {
                                    "resources": [
                                        resource(
                                            "aws_s3_bucket_public_access_block.this",
                                            bucket={"references": ["var.bucket", "local.x"]},
                                            rule=[{"days": {"references": ["var.days", "var.gone"]}}],
                                        )
                                    ]
                                },
                            }
                        }
                    },
                }
            },
        }
    },
}


def test_nested_module_refers_to_resources_of_the_root() -> None:
    before = copy.deepcopy(DOCUMENT)
    root = resolve_references(DOCUMENT)["configuration"]["root_module"]
    store = root["module_calls"]["store"]["module"]
    (block,) = store["module_calls"]["baseline"]["module"]["resources"]
    assert block["expressions"] == {
        "bucket": {"references": ["aws_s3_bucket.state.bucket", "aws_s3_bucket.state", "local.x"]},
        "rule": [{"days": {"references": []}}],
    }
    # The root has no caller.
    assert root["resources"][0]["expressions"] == {"bucket": {"references": []}}
    assert before == DOCUMENT
