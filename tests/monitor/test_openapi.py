"""The OpenAPI document: well formed, complete, and true of what is really answered."""

import re
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from ivr.ledger.database import Database
from ivr.vocabulary import EventType
from tests.monitor.clients import TOKEN, client_of, listening, make_app, serving
from tests.monitor.story import Teller, record, trunk
from tests.monitor.test_api import a_paid_call

# The parts of OpenAPI 3.1 that the document uses (https://spec.openapis.org/oas/v3.1.1).
# Anything else in it fails: additional properties are refused throughout.
_TEXT = {"type": "string", "minLength": 1}
_MEDIA = {
    "type": "object",
    "minProperties": 1,
    "additionalProperties": {
        "type": "object",
        "required": ["schema"],
        "properties": {"schema": {"type": "object"}},
        "additionalProperties": False,
    },
}
_PARAMETER = {
    "type": "object",
    "required": ["name", "in", "schema"],
    "properties": {
        "name": _TEXT,
        "in": {"enum": ["query", "header", "path"]},
        "description": _TEXT,
        "required": {"type": "boolean"},
        "schema": {"type": "object"},
    },
    "if": {"properties": {"in": {"const": "path"}}},
    "then": {"required": ["required"], "properties": {"required": {"const": True}}},
    "additionalProperties": False,
}
_OPERATION = {
    "type": "object",
    "required": ["operationId", "summary", "responses"],
    "properties": {
        "operationId": _TEXT,
        "summary": _TEXT,
        "parameters": {"type": "array", "items": _PARAMETER, "uniqueItems": True},
        "requestBody": {
            "type": "object",
            "required": ["content"],
            "properties": {"required": {"type": "boolean"}, "content": _MEDIA},
            "additionalProperties": False,
        },
        "responses": {
            "type": "object",
            "minProperties": 1,
            "patternProperties": {
                "^[1-5][0-9]{2}$": {
                    "type": "object",
                    "required": ["description"],
                    "properties": {"description": _TEXT, "content": _MEDIA},
                    "additionalProperties": False,
                }
            },
            "additionalProperties": False,
        },
        "security": {"type": "array"},
    },
    "additionalProperties": False,
}
OPENAPI = {
    "type": "object",
    "required": ["openapi", "info", "paths", "components"],
    "properties": {
        "openapi": {"type": "string", "pattern": r"^3\.1\.\d+$"},
        "info": {
            "type": "object",
            "required": ["title", "version"],
            "properties": {
                "title": _TEXT,
                "version": _TEXT,
                "summary": _TEXT,
                "license": {"type": "object", "required": ["name"]},
            },
            "additionalProperties": False,
        },
        "servers": {"type": "array", "items": {"type": "object", "required": ["url"]}},
        "paths": {
            "type": "object",
            "patternProperties": {
                "^/": {
                    "type": "object",
                    "properties": {
                        "get": _OPERATION,
                        "post": _OPERATION,
                        "patch": _OPERATION,
                        "delete": _OPERATION,
                    },
                    "additionalProperties": False,
                    "minProperties": 1,
                }
            },
            "additionalProperties": False,
        },
        "components": {
            "type": "object",
            "properties": {
                "schemas": {
                    "type": "object",
                    "propertyNames": {"pattern": r"^[a-zA-Z0-9._-]+$"},
                },
                "securitySchemes": {
                    "type": "object",
                    "additionalProperties": {"type": "object", "required": ["type"]},
                },
            },
            "additionalProperties": False,
        },
        "security": {"type": "array", "items": {"type": "object"}},
    },
    "additionalProperties": False,
}
BASE = "urn:solde:openapi"


async def read(database: Database) -> dict[str, Any]:
    async with client_of(make_app(database), {}) as client:
        found: dict[str, Any] = (await client.get("/openapi.json")).json()
    return found


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (path, method, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
    ]


def validator(document: dict[str, Any], schema: dict[str, Any]) -> Draft202012Validator:
    resource = DRAFT202012.create_resource(document)
    registry: Registry[Any] = Registry().with_resource(BASE, resource)
    rooted = {"$ref": BASE + schema["$ref"]} if "$ref" in schema else schema
    return Draft202012Validator(rooted, registry=registry, format_checker=FormatChecker())


def told(document: dict[str, Any], path: str, answer: httpx.Response) -> dict[str, Any]:
    """Return the schema that the document gives for this answer."""
    operation = document["paths"][path][answer.request.method.lower()]
    content = operation["responses"][str(answer.status_code)]["content"]
    schema: dict[str, Any] = content[answer.headers["content-type"]]["schema"]
    return schema


async def test_the_document_is_openapi(database: Database) -> None:
    document = await read(database)
    Draft202012Validator(OPENAPI).validate(document)
    ids = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(ids) == len(set(ids)) > 8
    for path, _, operation in operations(document):
        in_path = {one["name"] for one in operation["parameters"] if one["in"] == "path"}
        assert in_path == set(re.findall(r"\{(\w+)\}", path))
        names = [(one["name"], one["in"]) for one in operation["parameters"]]
        assert len(names) == len(set(names))


async def test_every_schema_is_one_and_every_reference_leads_somewhere(
    database: Database,
) -> None:
    document = await read(database)
    used: set[str] = set()

    def walk(node: object) -> None:
        if isinstance(node, dict):
            for name, value in node.items():
                if name == "$ref":
                    used.add(value)
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    walk(document)
    schemas = document["components"]["schemas"]
    # None dangles, none is left over.
    assert used == {f"#/components/schemas/{name}" for name in schemas}
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)
    for _, _, operation in operations(document):
        for parameter in operation["parameters"]:
            Draft202012Validator.check_schema(parameter["schema"])


ADDRESSES = [
    ("/api/v1/transactions", "/api/v1/transactions"),
    ("/api/v1/transactions", "/api/v1/transactions?limit=0"),
    ("/api/v1/transactions/{id}", "/api/v1/transactions/tx-paid"),
    ("/api/v1/transactions/{id}", "/api/v1/transactions/nobody"),
    ("/api/v1/transactions/{id}/events", "/api/v1/transactions/tx-paid/events"),
    ("/api/v1/calls", "/api/v1/calls"),
    ("/api/v1/trunks", "/api/v1/trunks"),
    ("/api/v1/events", "/api/v1/events?after=999"),
    ("/api/v1/kpi", "/api/v1/kpi"),
    ("/health", "/health"),
    ("/health/ready", "/health/ready"),
]


@pytest.mark.parametrize(("path", "address"), ADDRESSES)
async def test_what_is_answered_is_what_is_documented(
    database: Database, path: str, address: str
) -> None:
    await a_paid_call(database)
    await record(database, *Teller("live").call_begins().begins().take())
    await record(database, trunk(EventType.TRUNK_UP))
    document = await read(database)
    async with client_of(make_app(database)) as client:
        answer = await client.get(address)
    validator(document, told(document, path, answer)).validate(answer.json())
    async with client_of(make_app(database), {}) as client:
        shut = await client.get(address)
    if shut.status_code == 401:
        validator(document, told(document, path, shut)).validate(shut.json())
    else:
        assert document["paths"][path]["get"]["security"] == []


async def test_the_webhook_is_what_is_documented(database: Database) -> None:
    document = await read(database)
    async with client_of(make_app(database), {}) as client:
        for headers in ({"Stripe-Signature": "x"}, {}):
            answer = await client.post("/webhooks/stripe", content=b"{}", headers=headers)
            schema = told(document, "/webhooks/{gateway}", answer)
            validator(document, schema).validate(answer.json())


async def test_all_that_is_read_is_tried_above(database: Database) -> None:
    document = await read(database)
    # `test_schemathesis` asks for all the others.
    assert {path for path, _ in ADDRESSES} <= set(document["paths"])


async def test_streamed_events_are_what_is_documented(database: Database) -> None:
    document = await read(database)
    await a_paid_call(database)
    schema = {"$ref": "#/components/schemas/Event"}
    async with serving(database) as (base, _), listening(base, "?after=0") as listener:
        for block in await listener.take(9):
            validator(document, schema).validate(block.data)
            assert block.data["type"] == block.event
    stream = document["paths"]["/api/v1/events"]["get"]["responses"]["200"]
    assert "`Event`" in stream["description"]
    assert "text/event-stream" in stream["content"]


async def test_a_schema_here_can_fail(database: Database) -> None:
    document = await read(database)
    schema = {"$ref": "#/components/schemas/Transactions"}
    assert not validator(document, schema).is_valid({"items": [{"id": TOKEN}], "next": None})
    assert not validator(document, schema).is_valid({"items": []})
