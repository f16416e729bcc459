"""Publishes the API's contract: docs/reference/openapi.json for programs, api-reference.md for people, and
lambda_src/gateway/contract.json for the gateway, which checks requests against it.

python -m tests.tools.api_docs           # write
python -m tests.tools.api_docs --check   # fail if one of them is stale
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests.support.checkout import ROOT

COMMAND = "python -m tests.tools.api_docs"
CONTRACT = ROOT / "terraform" / "modules" / "inference_api" / "openapi.yaml"
HEAD = """\
# API reference

The operations of an environment's OpenAI-compatible API. [openapi.json](openapi.json) is machine-readable.
`make generate` creates both from the [contract](../../terraform/modules/inference_api/openapi.yaml) that
Terraform deploys. See also [API keys](../how-to/api-keys.md).

Fields that are not listed are passed to the model's engine, which may support them.
"""


def contract() -> dict[str, Any]:
    """Return the API's OpenAPI document."""
    return dict(YAML(typ="safe", pure=True).load(CONTRACT.read_text(encoding="utf-8")))


def pages(root: Path = ROOT) -> dict[Path, str]:
    """Return the up-to-date files."""
    document = contract()
    folder = root / "docs" / "reference"
    requests = json.dumps(_request_schemas(document), separators=(",", ":"), sort_keys=True) + "\n"
    return {
        root / "lambda_src" / "gateway" / "contract.json": requests,
        folder / "openapi.json": json.dumps(document, indent=2, ensure_ascii=False) + "\n",
        folder / "api-reference.md": "\n".join([HEAD, *_page(document)]),
    }


def _request_schemas(document: Mapping[str, Any]) -> dict[str, Any]:
    """The schemas of requests, and those that they refer to, without descriptions."""
    schemas = document["components"]["schemas"]
    schemas_by_name: dict[str, Any] = {}
    names = [name for name in schemas if name.endswith("Request")]
    for name in names:
        if name not in schemas_by_name:
            schemas_by_name[name] = _without_descriptions(schemas[name])
            names += re.findall(r"#/components/schemas/(\w+)", json.dumps(schemas_by_name[name]))
    return schemas_by_name


def _without_descriptions(value: Any) -> Any:
    if isinstance(value, dict):
        # A property can have that name, too.
        text = isinstance(value.get("description"), str)
        return {k: _without_descriptions(v) for k, v in value.items() if k != "description" or not text}
    return [_without_descriptions(item) for item in value] if isinstance(value, list) else value


def _page(document: Mapping[str, Any]) -> Iterator[str]:
    yield "## Authorization\n"
    for scheme in document["components"]["securitySchemes"].values():
        yield f"- {scheme['description']}"
    yield "- With `api.auth: iam`, neither: callers sign requests for `execute-api` (Signature Version 4).\n"
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield from _operation(document, f"{method.upper()} {path}", operation)
    yield "## Errors\n\nAll errors have this body:\n"
    yield f"```json\n{json.dumps(_ERROR, ensure_ascii=False)}\n```\n"
    yield "| status | meaning |\n|---|---|"
    for status, name in _statuses(document):
        yield f"| {status} | {document['components']['responses'][name]['description']} |"
    yield ""


_ERROR = {
    "error": {"message": "…", "type": "invalid_request_error", "param": "model", "code": "model_not_found"}
}


def _statuses(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    statuses = {
        (status, response["$ref"].rpartition("/")[2])
        for methods in document["paths"].values()
        for operation in methods.values()
        for status, response in operation["responses"].items()
        if "$ref" in response
    }
    return sorted(statuses)


def _operation(document: Mapping[str, Any], name: str, operation: Mapping[str, Any]) -> Iterator[str]:
    yield f"## {name}\n\n{operation['summary']}.\n"
    content = operation.get("requestBody", {}).get("content", {})
    for media in content.values():
        yield "| field | type | meaning |\n|---|---|---|"
        schema = _resolved(document, media["schema"])
        for field, reference in schema["properties"].items():
            field_schema = _resolved(document, reference)
            required = "required" if field in schema.get("required", ()) else ""
            meaning = ". ".join(filter(None, (required, field_schema.get("description", ""))))
            yield f"| `{field}` | {_type(document, field_schema)} | {meaning} |"
        yield ""
    response = operation["responses"]["200"]
    statuses = ", ".join(status for status in operation["responses"] if status != "200")
    yield f"200: {response['description'].rstrip('.')}. Errors: {statuses}.\n"


def _resolved(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    if "$ref" not in schema:
        return schema
    definition: Mapping[str, Any] = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return definition


def _type(document: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    schema = _resolved(document, schema)
    if "anyOf" in schema:
        return " or ".join(_type(document, option) for option in schema["anyOf"])
    if schema.get("type") == "array":
        items = _type(document, _resolved(document, schema["items"]))
        return "array of " + re.sub(r"^\w+", r"\g<0>s", items)
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    return str(schema.get("type", "any"))


def main() -> None:
    """Write the files, or check them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    for file, text in pages().items():
        if not check:
            file.write_text(text, encoding="utf-8")
        elif not file.is_file() or file.read_text(encoding="utf-8") != text:
            raise SystemExit(f"{file.name} is stale: run `{COMMAND}` and commit the result")


if __name__ == "__main__":
    main()
