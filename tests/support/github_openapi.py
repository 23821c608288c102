"""GitHub's published OpenAPI description, held against what we send and what our stand-ins answer.

The description is sample data that need not be there: without it everything passes, and the tests'
other assertions stand.
"""

from __future__ import annotations

import copy
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from openapi_schema_validator import OAS30Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4

SAMPLES = Path(__file__).parents[2].parent / "shared" / "samples"
_FILE = SAMPLES / "openapi" / "github-openapi-slim-30-paths.json"
_BASE = "urn:github"


@cache
def _description() -> dict[str, Any] | None:
    # GitHub's own examples lack the property that the discriminator of /user asks for.
    return json.loads(_FILE.read_text(), object_hook=_without_discriminator) if _FILE.is_file() else None


def _without_discriminator(schema: dict[str, Any]) -> dict[str, Any]:
    schema.pop("discriminator", None)
    return schema


@cache
def _validator(pointer: str) -> OAS30Validator:
    registry = Registry().with_resource(_BASE, Resource.from_contents(_description(), default_specification=DRAFT4))
    return OAS30Validator({"$ref": f"{_BASE}#{pointer}"}, registry=registry)


def _template(path: str) -> str | None:
    for template in (_description() or {"paths": {}})["paths"]:
        if re.fullmatch(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(template)), path):
            return str(template)
    return None


def _pointer(*parts: str) -> str:
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in parts)


def _check(value: Any, *parts: str) -> None:
    errors = [f"{list(error.absolute_path)}: {error.message}" for error in _validator(_pointer(*parts)).iter_errors(value)]
    assert not errors, errors


def check_request(method: str, path: str, body: Any) -> None:
    """The body satisfies the published schema of this route, where the description knows it."""
    template = _template(path)
    if template is not None and body is not None:
        _check(body, "paths", template, method.lower(), "requestBody", "content", "application/json", "schema")


def check_response(method: str, path: str, status: int, body: Any) -> None:
    """A successful answer of a stand-in is one that GitHub could give."""
    template = _template(path)
    if template is None or not 200 <= status < 300 or body is None:
        return
    response = (_description() or {})["paths"][template][method.lower()]["responses"].get(str(status))
    assert response is not None, f"GitHub does not answer {method} {template} with {status}"
    _check(body, "paths", template, method.lower(), "responses", str(status), "content", "application/json", "schema")


def example(method: str, path: str, status: int = 200) -> Any:
    """The published example of an answer; {} where the description is not there."""
    template = _template(path)
    if template is None:
        return {}
    content = (_description() or {})["paths"][template][method.lower()]["responses"][str(status)]["content"]["application/json"]
    chosen = content["examples"].get("default") or next(iter(content["examples"].values()))
    while "$ref" in chosen:
        found: Any = _description()
        for part in chosen["$ref"].removeprefix("#/").split("/"):
            found = found[part.replace("~1", "/").replace("~0", "~")]
        chosen = found
    return copy.deepcopy(chosen["value"])


def merged(base: Any, changes: dict[str, Any]) -> Any:
    """`base` with `changes` laid over it, object by object."""
    if not isinstance(base, dict):
        return changes
    return base | {key: merged(base.get(key), value) if isinstance(value, dict) else value for key, value in changes.items()}
