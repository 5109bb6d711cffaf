"""A record as a file: JSON with a schema version, a kind and a checksum, written whole or not at all.

    {"schema": 2, "kind": "pair", "sha256": "...", "record": {...}}

The checksum is over all bytes of the file but its own digits, so that a flipped bit anywhere is found.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from harness import files
from harness.errors import HarnessError

SCHEMA = 2  # the first had no version in it, see `harness.results.landed`
LARGEST = 256 * 2**20  # bytes; no record comes near it
BLANK = "0" * 64
SUM = re.compile(rb'"sha256": "([0-9a-f]{64})"')

Model = TypeVar("Model", bound="Record")
Migrate = Callable[[Mapping[str, Any]], dict[str, Any]]


class Frozen(BaseModel):
    """What a record holds: nothing beyond its fields, and no change once it is made."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Record(Frozen):
    """What a file holds. `kind` tells it from other records."""

    kind: ClassVar[str]


def write(path: Path, record: Record) -> None:
    """Raises OSError that names the file."""
    files.write_bytes(path, content_of(record))


def content_of(record: Record) -> bytes:
    """The bytes of its file."""
    head = {"schema": SCHEMA, "kind": record.kind, "sha256": BLANK}
    data = json.dumps(head | {"record": record.model_dump(mode="json")}, indent=2).encode() + b"\n"
    return data.replace(BLANK.encode(), sha256(data).hexdigest().encode(), 1)


def read(path: Path, model: type[Model], remedy: str, migrate: Migrate | None = None) -> Model:
    """The record in a file; `migrate` turns one of the landed schema into today's fields.

    Raises HarnessError that names the file, what is wrong with it and, as `remedy`, what makes it anew.
    """
    data = _bytes(path, remedy)
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise damaged(path, error, remedy) from error
    if not isinstance(found, dict):
        raise damaged(path, "no record in it", remedy)
    if "schema" not in found and migrate is not None:
        return _model(path, model, lambda: migrate(found), remedy)
    _check(path, data, found, model, remedy)
    return _model(path, model, lambda: found["record"], remedy)


def damaged(path: Path, what: object, remedy: str) -> HarnessError:
    """The one line for a file that is not as it was written."""
    return HarnessError(f"{path}: damaged ({' '.join(str(what).split())[:200]}); {remedy}")


def _bytes(path: Path, remedy: str) -> bytes:
    try:
        if path.exists() and not path.is_file():
            raise HarnessError(f"{path}: is no file; {remedy}")
        if path.stat().st_size > LARGEST:
            raise HarnessError(f"{path}: larger than any record; {remedy}")
        return path.read_bytes()
    except FileNotFoundError:
        raise HarnessError(f"{path}: there is no such record; {remedy}") from None
    except OSError as error:
        raise HarnessError(f"{path}: cannot be read: {error.strerror or error}") from error


def _check(path: Path, data: bytes, found: Mapping[str, Any], model: type[Record], remedy: str) -> None:
    """Checksum, schema and kind, in this order: a flipped bit is damage, whatever it seems to say."""
    stated = SUM.search(data)
    whole = stated is not None and stated[1] == sha256(_blanked(data, stated)).hexdigest().encode()
    schema = found.get("schema")
    if isinstance(schema, int) and schema > SCHEMA and (whole or stated is None):
        raise HarnessError(f"{path}: of schema {schema}; this version reads up to {SCHEMA}: update vfi-harness")
    if not whole:
        raise damaged(path, "its checksum is another", remedy)
    if schema != SCHEMA or not isinstance(found.get("record"), dict):
        raise damaged(path, "no record of a known schema", remedy)
    if found.get("kind") != model.kind:
        raise HarnessError(f"{path}: holds the record of a {found.get('kind')}, not of a {model.kind}; {remedy}")


def _blanked(data: bytes, stated: re.Match[bytes]) -> bytes:
    return data[: stated.start(1)] + BLANK.encode() + data[stated.end(1) :]


def _model(path: Path, model: type[Model], fields: Callable[[], dict[str, Any]], remedy: str) -> Model:
    try:
        return model.model_validate(fields())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise damaged(path, f"{where}: {first['msg']}" if where else first["msg"], remedy) from error
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise damaged(path, error, remedy) from error
