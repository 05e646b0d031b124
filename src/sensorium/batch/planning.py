"""From what a user names to the items of a batch."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sensorium.batch.fields import OperationFields
from sensorium.batch.item import FILES, BatchItem, folder_name, item_id
from sensorium.batch.media_files import absolute, version_of, weight_of
from sensorium.batch.tables import TABLES, TEXTS, columns_of, lines_of, rows_of
from sensorium.errors import InputError, SensoriumError
from sensorium.media.collect import claimed_kind, collect_files
from sensorium.media.content import HEAD_BYTES, Kind, sniff_kind
from sensorium.media.naming import display_name
from sensorium.operations.operation import Operation
from sensorium.operations.registry import operation_named
from sensorium.storage.location import Location, StoredFile, is_stored_remotely
from sensorium.storage.opening import is_pattern, location_of, matching

_LONGEST_STEM = 60


@dataclass(frozen=True)
class BatchPlan:
    """What a batch is to do.

    Attributes:
        operation: Its name.
        inputs: Files, folders, patterns, addresses, tables and texts.
        output: The folder for files and manifest; what lies in it is no input.
        fields: Fields that are the same for all items, as texts: JSON, or words.
    """

    operation: str
    inputs: tuple[str, ...]
    output: Location
    fields: Mapping[str, str] = field(default_factory=dict)

    def check(self) -> None:
        """See that operation, fields and the columns of all tables go together, and that what is named is there.

        Raises:
            InputError: They don't.
            ModelUnavailableError: There is no such checkpoint.
        """
        planner = _Planner(self)
        if not self.inputs:
            raise InputError("A batch needs inputs", "Name files, folders, patterns, addresses or tables")
        for text in self.inputs:
            planner.check(text)

    def items(self) -> Iterator[BatchItem]:
        """Yield the items, in the order of the inputs and each listing sorted; few are held at a time.

        Raises:
            SensoriumError: An input isn't there, or a store doesn't answer.
        """
        planner = _Planner(self)
        for text in self.inputs:
            yield from planner.items(text)


class _Planner:
    def __init__(self, plan: BatchPlan) -> None:
        self._operation = operation_named(plan.operation)
        self._fields = OperationFields(self._operation)
        self._fields.require(plan.fields, "--set")
        self._here = str(Path.cwd())
        given = {name: self._fields.value(name, text) for name, text in plan.fields.items()}
        self._common = {name: self._made_absolute(name, value, self._here) for name, value in given.items()}
        self._files = plan.output.join(FILES).address + "/"
        self._common_versions: dict[str, str] = {}
        for name, value in self._common.items():
            self._fields.with_media(name, value, self._note_common)

    def _note_common(self, reference: str) -> str:
        self._common_versions[reference] = version_of(reference)
        return reference

    def check(self, text: str) -> None:
        """See that an input can be one of this operation."""
        if not text:
            raise InputError("An input has no name", "Name a file, folder, pattern or address; this folder is '.'")
        name = display_name(text)
        if _is_table(text):
            columns = columns_of(location_of(text))
            self._fields.require(columns, name)
            self._require_complete(columns, name)
        elif self._is_text(text):
            if self._fields.text_field is None:
                raise InputError(f"{self._operation.name} takes no texts, such as {name}", "Name media or a table")
            if location_of(text).info() is None:
                raise InputError(f"{name} doesn't exist", "Check the name")
            self._try_out(self._fields.text_field, name)
        else:
            self._check_media(text, name)

    def items(self, text: str) -> Iterator[BatchItem]:
        """Yield the items that an input stands for."""
        if _is_table(text):
            yield from self._of_table(location_of(text))
        elif self._is_text(text):
            assert self._fields.text_field is not None
            for line in lines_of(location_of(text)):
                yield self._item(line, self._fields.filled(self._fields.text_field, line), _Known(line))
        elif is_stored_remotely(text):
            for file in _stored(text):
                yield from self._of_stored(file, named=file.location.address == text)
        elif _is_address(text):
            yield self._of_medium(text, next(iter(self._fields.media_fields)), _Known(_stem(text)))
        else:
            yield from self._of_files(text)

    def _check_media(self, text: str, name: str) -> None:
        if not self._fields.media_fields:
            raise InputError(
                f"{self._operation.name} takes no files, such as {name}",
                f"Name a .txt file with a line for each item, or a table with a column {self._fields.text_field!r}",
            )
        if is_stored_remotely(text) and self._operation.index_of_media is not Operation.index_of_media:
            raise InputError(
                f"{self._operation.name} takes files of this machine in a batch, not {name}",
                "Run 'sensorium index' with the address, and --actors or --address for several processes",
            )
        if text == "-":
            absolute(text, self._here)
        if is_stored_remotely(text):
            if next(_stored(text), None) is None:
                raise InputError(f"Nothing is stored at {name}", "Check the address")
        elif not _is_address(text) and (is_pattern(text) or not Path(text).exists()):
            next(collect_files([text], kinds=tuple(self._fields.media_fields)), None)
        self._try_out(next(iter(self._fields.media_fields.values())), name)

    def _require_complete(self, filled: Iterable[str], name: str) -> None:
        known = {*filled, *self._common}
        missing = [field for field, info in self._operation.model_fields.items() if info.is_required()]
        for each in missing:
            if each not in known:
                raise InputError(
                    f"{self._operation.name} needs {each!r}, which {name} doesn't give",
                    f"Add --set {each}=…, or a column of that name to a table",
                )

    def _try_out(self, field: str, name: str) -> None:
        """Build the operation once, so that what is wrong with all items is told before the first one."""
        self._require_complete([field], name)
        self._operation.of({**self._common, **self._fields.filled(field, "x")}).checkpoints()

    def _of_files(self, text: str) -> Iterator[BatchItem]:
        several = len(set(self._fields.media_fields.values())) > 1
        for path in collect_files([text], kinds=tuple(self._fields.media_fields)):
            address = str(path.absolute())
            if not address.startswith(self._files):
                kind = (_kind_inside(path) if several else "") or claimed_kind(path)
                yield self._of_medium(address, kind, _Known(path.stem))

    def _of_stored(self, file: StoredFile, *, named: bool) -> Iterator[BatchItem]:
        location = file.location
        kind = claimed_kind(Path(location.name))
        if location.address.startswith(self._files) or location.name.startswith("."):
            return
        if named or kind in self._fields.media_fields:
            yield self._of_medium(location.address, kind, _Known(_stem(location.name), file.size, file.version))

    def _of_medium(self, reference: str, kind: Kind, known: _Known) -> BatchItem:
        fields = self._fields.media_fields
        field = fields.get(kind) or next(iter(fields.values()))
        weight = weight_of(reference, kind or next(iter(fields)), known.size)
        return self._item(reference, self._fields.filled(field, reference), replace(known, weight=weight))

    def _of_table(self, table: Location) -> Iterator[BatchItem]:
        folder = table.address.rpartition("/")[0]
        for number, row in enumerate(rows_of(table, self._fields), 1):
            if isinstance(row, InputError):
                yield _broken(self._operation.name, table, number, row)
                continue
            unknown = [name for name in row if name not in self._operation.model_fields]
            if unknown:
                yield _broken(self._operation.name, table, number, self._unknown(unknown))
                continue
            fields = {name: self._made_absolute(name, value, folder) for name, value in row.items()}
            [shown] = [str(each) for each in row.values()] if len(row) == 1 else [json.dumps(row, ensure_ascii=False)]
            yield self._item(shown, fields, self._known_of_row(fields))

    def _known_of_row(self, fields: Mapping[str, Any]) -> _Known:
        for kind, name in self._fields.media_fields.items():
            value = fields.get(name)
            reference = value[0] if isinstance(value, list) and value else value
            if isinstance(reference, str):
                return _Known(_stem(reference), weight=weight_of(reference, claimed_kind(Path(reference)) or kind))
        text = fields.get(self._fields.text_field or "")
        return _Known(text if isinstance(text, str) else "row")

    def _item(self, shown: str, fields: Mapping[str, Any], known: _Known) -> BatchItem:
        whole = {**self._common, **fields}
        error = ""
        try:
            self._operation.of(dict(whole))
        except SensoriumError as refusal:
            error = str(refusal)
        id = item_id(self._operation.name, whole, self._versions_in(whole, known.version))
        return BatchItem(id, shown, folder_name(known.stem[:_LONGEST_STEM], id), whole, round(known.weight, 4), error)

    def _versions_in(self, fields: Mapping[str, Any], version: str) -> dict[str, str]:
        """Return what tells contents apart, of all media that fields name.

        Args:
            fields: Of the item.
            version: Of the one medium that isn't the same for all items; "" if it has to be looked up.
        """
        found: dict[str, str] = {}

        def note(reference: str) -> str:
            found[reference] = self._common_versions.get(reference) or version or version_of(reference)
            return reference

        for name, value in fields.items():
            self._fields.with_media(name, value, note)
        return found

    def _made_absolute(self, field: str, value: Any, base: str) -> Any:
        return self._fields.with_media(field, value, lambda reference: absolute(reference, base))

    def _unknown(self, names: Sequence[str]) -> InputError:
        try:
            self._fields.require(names, "the row")
        except InputError as error:
            return error
        raise AssertionError(names)

    def _is_text(self, text: str) -> bool:
        return text.lower().endswith(TEXTS) and "text" not in self._fields.media_fields and not _is_address(text)


@dataclass(frozen=True)
class _Known:
    """What is known of an input: words for its folder, bytes, its version in a listing, and its weight."""

    stem: str
    size: int | None = None
    version: str = ""
    weight: float = 1.0


def _is_table(text: str) -> bool:
    return text.lower().endswith(TABLES) and not _is_address(text)


def _is_address(text: str) -> bool:
    return text.lower().startswith(("http://", "https://", "data:"))


def _stem(address: str) -> str:
    return "data" if address.lower().startswith("data:") else Path(address.partition("?")[0]).stem


def _kind_inside(path: Path) -> Kind:
    try:
        with path.open("rb") as file:
            return sniff_kind(file.read(HEAD_BYTES))
    except OSError:
        return ""


def _stored(text: str) -> Iterator[StoredFile]:
    """Yield the files that an address stands for: itself, those below it, or those that fit it."""
    if is_pattern(text):
        yield from matching(text)
        return
    location = location_of(text)
    file = location.info()
    if file is not None:
        yield file
    else:
        yield from location.files()


def _broken(operation: str, table: Location, number: int, error: InputError) -> BatchItem:
    shown = f"{table.address}, row {number}"
    id = item_id(operation, {"row": shown, "error": str(error)}, {})
    return BatchItem(id, shown, folder_name("row", id), {}, error=str(error))
