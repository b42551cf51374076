"""Shows the OpenAPI document to a person: one page without a script, and without anything from elsewhere."""

import base64
import hashlib
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from typing import Any

import msgspec

from collector.api.serve import PREFIX

Json = dict[str, Any]

_STYLE = files(__package__).joinpath("docs.css").read_text(encoding="utf-8")
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
CONTENT_SECURITY_POLICY = f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'"


def docs_page(document: Json) -> str:
    """Return the page."""
    groups: dict[str, list[str]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            groups.setdefault(operation["tags"][0], []).append(_operation(method, path, operation))
    schemas = document["components"]["schemas"]
    parts = [
        f"<h1>{escape(document['info']['title'])} API</h1>",
        f'<p>Version {escape(document["info"]["version"])}, also <a href="{PREFIX}/openapi.json">as JSON</a>.</p>',
        f"<p>{_text(document['info']['description'])}</p>",
        "<nav><ul>",
        *(f'<li><a href="#{escape(name)}">{escape(name)}</a>' for name in [*groups, "schemas"]),
        "</ul></nav>",
        *(_group(name, found) for name, found in groups.items()),
        '<h2 id="schemas">schemas</h2>',
        *(_schema(name, schema) for name, schema in sorted(schemas.items())),
    ]
    head = (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(document['info']['title'])} API</title><style>{_STYLE}</style>"
    )
    return f"{head}<main>{''.join(parts)}</main></html>"


def _group(name: str, operations: list[str]) -> str:
    return f'<section id="{escape(name)}"><h2>{escape(name)}</h2>{"".join(operations)}</section>'


def _operation(method: str, path: str, operation: Json) -> str:
    rows = [
        (_code(parameter["name"]), _words(parameter), _text(parameter.get("description", "")))
        for parameter in operation.get("parameters", ())
    ]
    body = operation.get("requestBody", {}).get("content", {})
    answers = [
        (_code(status), ", ".join(_media(answer)), _text(answer["description"]))
        for status, answer in operation["responses"].items()
    ]
    return "".join(
        (
            f'<article id="{escape(operation["operationId"])}"><h3><span class="{method}">{method.upper()}</span> ',
            f"{_code(PREFIX + path)}</h3><p>{_text(operation['summary'])}.</p>",
            f"<p>{_text(operation['description'])}</p>" if "description" in operation else "",
            _table(("name", "type", ""), rows),
            "".join(f"<p>Body: {_type(each['schema'])}</p>" for each in body.values()),
            f"<details><summary>Answers</summary>{_table(('status', 'body', ''), answers)}</details></article>",
        )
    )


def _words(parameter: Json) -> str:
    schema = parameter["schema"]
    default = f", default {_code(msgspec.json.encode(schema['default']).decode())}" if "default" in schema else ""
    return f"{_type(schema)}{default}{', required' if parameter['required'] else ''}"


def _media(answer: Json) -> list[str]:
    return [f"{_type(each['schema'])} as {_code(kind)}" for kind, each in answer.get("content", {}).items()]


def _schema(name: str, schema: Json) -> str:
    about = f"<p>{_text(schema['description'])}</p>" if "description" in schema else ""
    if "enum" in schema:
        values = ", ".join(_code(str(value)) for value in schema["enum"])
        return f'<article id="{escape(name)}"><h3>{_code(name)}</h3>{about}<p>One of {values}.</p></article>'
    required = schema.get("required", ())
    rows = [
        (_code(field), _type(each) + (", required" if field in required else ""), _text(each.get("description", "")))
        for field, each in schema.get("properties", {}).items()
    ]
    return f'<article id="{escape(name)}"><h3>{_code(name)}</h3>{about}{_table(("field", "type", ""), rows)}</article>'


def _type(schema: Json) -> str:
    match schema:
        case {"$ref": str(ref)}:
            name = ref.rpartition("/")[2]
            return f'<a href="#{escape(name)}">{escape(name)}</a>'
        case {"anyOf": list(choices)}:
            return " or ".join(map(_type, choices))
        case {"type": "array", "items": dict(items)}:
            return f"list of {_type(items)}"
        case {"type": "object", "additionalProperties": dict(items)}:
            return f"object of {_type(items)}"
        case {"format": str(kind)}:
            return escape(kind)
        case _:
            return escape(str(schema.get("type", "anything")))


def _table(titles: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    if not rows:
        return ""
    head = "".join(f"<th>{escape(title)}" for title in titles)
    body = "".join("<tr>" + "".join(f"<td>{cell}" for cell in row) for row in rows)
    return f"<table><thead><tr>{head}<tbody>{body}</table>"


def _code(text: str) -> str:
    return f"<code>{escape(text)}</code>"


def _text(text: str) -> str:
    """Escape a text, and set what is between backquotes as code."""
    parts = text.replace("``", "`").split("`")
    return "".join(_code(part) if place % 2 else escape(part) for place, part in enumerate(parts))
