"""Checks a request against the parameter types Stripe generates from its own specification.

`stripe.params` holds a TypedDict for each request; they are walked here over the
decoded form, so that what is checked is what was sent. A message names the
parameter and never its value.
"""

import functools
import importlib
import re
import types
import typing
from collections.abc import Mapping
from urllib.parse import parse_qsl

import typing_extensions
from stripe._request_options import RequestOptions
from stripe._stripe_context import StripeContext

Form = dict[str, "str | Form"]

_OPTIONS = frozenset(RequestOptions.__annotations__)
_KEY = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)\Z")


def decode_form(text: str) -> Form:
    """Read `a[b][0]=c` as `{"a": {"b": {"0": "c"}}}`.

    Raise `ValueError` for a key that has not this shape or is given twice.
    """
    form: Form = {}
    for key, value in parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text)):
        match = _KEY.match(key)
        if match is None:
            raise ValueError(f"{key}: not a parameter's name")
        path = [match[1], *re.findall(r"\[([^\[\]]*)\]", match[2])]
        level = form
        for part in path[:-1]:
            inner = level.setdefault(part, {})
            if not isinstance(inner, dict):
                raise ValueError(f"{key}: both a value and a hash")  # noqa: TRY004 - malformed
            level = inner
        if path[-1] in level:
            raise ValueError(f"{key}: given twice")
        level[path[-1]] = value
    return form


def problems(params_type: type, form: Form) -> list[str]:
    """Return what Stripe would refuse in `form`, in the order it was sent."""
    return _hash(params_type, form, "")


def _hash(params_type: type, form: Form, path: str) -> list[str]:
    known = _hints(params_type)
    found: list[str] = []
    for name, value in form.items():
        where = f"{path}[{name}]" if path else name
        if name not in known or (not path and name in _OPTIONS):
            found.append(f"{where}: unknown parameter")
        else:
            found += _value(known[name], value, where)
    required = typing.cast("frozenset[str]", getattr(params_type, "__required_keys__"))  # noqa: B009
    missing = sorted(required - set(form))
    return found + [
        f"{path}[{name}]: missing" if path else f"{name}: missing" for name in missing
    ]


def _value(kind: object, value: "str | Form", where: str) -> list[str]:
    origin = typing_extensions.get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        return _union(typing_extensions.get_args(kind), value, where)
    if origin is typing_extensions.Literal:
        return _literal(typing_extensions.get_args(kind), value, where)
    if origin is list:
        return _list(typing_extensions.get_args(kind)[0], value, where)
    if origin is dict:
        flat = isinstance(value, dict) and all(isinstance(v, str) for v in value.values())
        return [] if flat else [f"{where}: not a map of texts"]
    if typing_extensions.is_typeddict(typing.cast("type", kind)):
        if isinstance(value, dict):
            return _hash(typing.cast("type", kind), value, where)
        return [f"{where}: not a hash"]
    return _scalar(kind, value, where)


def _union(kinds: tuple[object, ...], value: "str | Form", where: str) -> list[str]:
    closed = kinds
    if _names_words(kinds):
        # `Literal[…] | str` is how a list of words is left open; here only today's count.
        closed = tuple(kind for kind in kinds if kind is not str)
    closest: list[str] = []
    for kind in closed:
        found = _value(kind, value, where)
        if not found:
            return []
        if isinstance(value, dict) and typing_extensions.is_typeddict(
            typing.cast("type", kind)
        ):
            closest = found
    return closest or [f"{where}: none of the types or words allowed"]


def _names_words(kinds: tuple[object, ...]) -> bool:
    """Whether a word is listed; a lone `""` only means that the parameter can be unset."""
    return any(
        word
        for kind in kinds
        if typing_extensions.get_origin(kind) is typing_extensions.Literal
        for word in typing_extensions.get_args(kind)
    )


def _literal(words: tuple[object, ...], value: "str | Form", where: str) -> list[str]:
    return [] if value in [str(word) for word in words] else [f"{where}: not a known word"]


def _list(kind: object, value: "str | Form", where: str) -> list[str]:
    if not isinstance(value, dict) or list(value) != [str(i) for i in range(len(value))]:
        return [f"{where}: not a list"]
    return [
        problem
        for index, item in value.items()
        for problem in _value(kind, item, f"{where}[{index}]")
    ]


def _scalar(kind: object, value: "str | Form", where: str) -> list[str]:
    if not isinstance(value, str):
        return [f"{where}: not a single value"]
    shapes = {int: r"-?\d+", float: r"-?\d+(\.\d+)?", bool: "true|false", str: "(?s:.*)"}
    shape = shapes.get(typing.cast("type", kind))
    if shape is None or not re.fullmatch(shape, value):
        return [f"{where}: wrong type"]
    return []


@functools.cache
def _hints(params_type: type) -> dict[str, object]:
    names = {
        **vars(typing),
        **vars(importlib.import_module(params_type.__module__)),
        "StripeContext": StripeContext,
        "Mapping": Mapping,
    }
    return dict(typing_extensions.get_type_hints(params_type, globalns=names))
