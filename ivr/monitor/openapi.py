"""The OpenAPI 3.1 document, made from the endpoints and their pydantic models."""

import re
from collections.abc import Sequence
from http import HTTPStatus
from importlib import metadata
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from ivr.monitor import problems
from ivr.monitor.authentication import SESSION_COOKIE
from ivr.monitor.endpoint import Endpoint

_IN_PATH = re.compile(r"\{(\w+)\}")
_COMPONENTS = "#/components/schemas/{model}"


def document(endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """Return the document of these endpoints, ready for `json.dumps`."""
    bodies = [endpoint.body for endpoint in endpoints if endpoint.body is not None]
    answers = [one.answer for one in endpoints if one.status != HTTPStatus.NO_CONTENT]
    refusals = [endpoint.refusal for endpoint in endpoints if endpoint.refusal is not None]
    schemas = _schemas([*answers, *bodies, *refusals, problems.Problem])
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        operation = _operation(endpoint, schemas)
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Solde monitor",
            "version": metadata.version("solde"),
            "summary": "Payments by telephone keypad, followed step by step.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": SESSION_COOKIE},
            },
        },
        "security": [{"token": []}, {"session": []}],
    }


def _schemas(models: Sequence[type[BaseModel]]) -> dict[str, Any]:
    unique = dict.fromkeys(models)
    _, generated = models_json_schema(
        [(model, "validation") for model in unique], ref_template=_COMPONENTS
    )
    found: dict[str, Any] = generated.get("$defs", {})
    return found


def _operation(endpoint: Endpoint, schemas: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": endpoint.name,
        "summary": endpoint.summary,
        "parameters": _parameters(endpoint, schemas),
        "responses": _responses(endpoint),
    }
    if endpoint.public:
        operation["security"] = []
    if endpoint.takes_body or endpoint.body is not None:
        schema: dict[str, Any] = {"type": "object"}
        if endpoint.body is not None:
            schema = {"$ref": _COMPONENTS.format(model=endpoint.body.__name__)}
        content = {endpoint.body_type: {"schema": schema}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _parameters(endpoint: Endpoint, schemas: dict[str, Any]) -> list[dict[str, Any]]:
    in_path = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string"},
        }
        for name in _IN_PATH.findall(endpoint.path)
    ]
    query = endpoint.query.model_json_schema(ref_template=_COMPONENTS)
    schemas.update(query.get("$defs", {}))
    in_query = []
    for name, schema in query.get("properties", {}).items():
        parameter = {"name": name, "in": "query", "schema": schema}
        if "description" in schema:
            parameter["description"] = schema["description"]
        in_query.append(parameter)
    in_headers = [
        {
            "name": header.name,
            "in": "header",
            "description": header.description,
            "schema": {"type": "string"},
        }
        for header in endpoint.headers
    ]
    return [*in_path, *in_query, *in_headers]


def _responses(endpoint: Endpoint) -> dict[str, Any]:
    schema: dict[str, Any] = {"$ref": _COMPONENTS.format(model=endpoint.answer.__name__)}
    description = HTTPStatus(endpoint.status).phrase
    if endpoint.media_type != "application/json":
        # OpenAPI 3.1 cannot describe the items of a stream: the schema is in the words.
        description = f"`data` of each event is a `{endpoint.answer.__name__}`."
        schema = {"type": "string"}
    answers: dict[str, Any] = {str(endpoint.status): {"description": description}}
    if endpoint.status != HTTPStatus.NO_CONTENT:
        answers[str(endpoint.status)]["content"] = {endpoint.media_type: {"schema": schema}}
    for status in endpoint.also:
        described = answers[str(endpoint.status)] | {"description": HTTPStatus(status).phrase}
        answers[str(status)] = described
    statuses = {400, 503, *endpoint.problems, *(() if endpoint.public else (401, 403, 429))}
    for status in sorted(statuses):
        model = endpoint.refusal or problems.Problem
        media_type = "application/json" if endpoint.refusal else problems.MEDIA_TYPE
        problem = {"$ref": _COMPONENTS.format(model=model.__name__)}
        answers[str(status)] = {
            "description": HTTPStatus(status).phrase,
            "content": {media_type: {"schema": problem}},
        }
    return answers
