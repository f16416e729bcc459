"""References through modules, as checkov needs them to see what belongs together."""

from __future__ import annotations

import copy
from typing import Any

from toolkit.policy.references import see_through_modules


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


def test_a_module_in_a_module_refers_to_what_the_root_gave() -> None:
    before = copy.deepcopy(DOCUMENT)
    root = see_through_modules(DOCUMENT)["configuration"]["root_module"]
    store = root["module_calls"]["store"]["module"]
    (block,) = store["module_calls"]["baseline"]["module"]["resources"]
    assert block["expressions"] == {
        "bucket": {"references": ["aws_s3_bucket.state.bucket", "aws_s3_bucket.state", "local.x"]},
        "rule": [{"days": {"references": []}}],
    }
    # Nobody gave the root anything.
    assert root["resources"][0]["expressions"] == {"bucket": {"references": []}}
    assert before == DOCUMENT
