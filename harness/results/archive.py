"""Results as one file, for another machine: a zip, stored and not packed, of the files of runs and pairs.

Its first member says of each file how large it is and what its sha256 is; that says it of itself, as every record does.
An archive may be anybody's. Nothing of it is read but the files that are written here, under the names that they have
here; they are unpacked beside the results, and looked at, before anything is taken over.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import re
import shutil
import stat
import struct
import time
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from harness.errors import HarnessError
from harness.files import replacing
from harness.printable import printable
from harness.results.envelope import Frozen, Record, content_of, read
from harness.results.records import NAME
from harness.results.store import RunFolder, Store

MANIFEST = "harness-results.json"
CHUNK = 1 << 20  # bytes read at a time
LARGEST_MANIFEST = 64 * 2**20  # bytes: of some 400,000 files
REMEDY = "make it again with harness runs export"

_FEATURES = r"\.features/[0-9a-f]{2}/[0-9a-f]{30}"
_OF_A_RUN = (
    r"(run|status|measured|env|metrics)\.json|config\.yaml|(curve|audit|rows|samples)\.csv"
    rf"|rows{_FEATURES}|checkpoints/step-[0-9]{{8,12}}/(model\.safetensors|state\.pt|manifest\.json)"
)
MEMBER = re.compile(
    rf"runs/{NAME}/({_OF_A_RUN})"
    rf"|pairs/{NAME}\.json"
    r"|reference/(rows|mean-of-frames)\.csv"
    rf"|reference/rows{_FEATURES}"
    rf"|evaluations/{NAME}(\.json|\.csv|{_FEATURES})"
)
"""The files that are results. What else is in a run's folder, such as locks and what observers keep, stays there; so do
initial weights, which are made again and not taken from anybody."""


class Packed(Frozen):
    """A file of the archive."""

    size: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Manifest(Record):
    """Every file, by its place in the results folder."""

    kind: ClassVar = "archive"

    files: Mapping[str, Packed]


def export(
    store: Store, runs: Sequence[RunFolder], pairs: Sequence[str], file: Path, checkpoints: bool, everything: bool
) -> int:
    """Pack these runs and pairs, what tables need beside, and of `everything` also evaluations of given weights.
    The number of files. The same content gives the same bytes.

    Raises HarnessError where the file is there, where a link is among the results, or something cannot be read; for a
    damaged record, too: nobody could take it in.
    """
    if file.exists() or file.is_symlink():
        raise HarnessError(f"{file} is there already: give another name, or move it away")
    check_records(store, runs, pairs, everything)
    # pairs in the order in which they were run, which is told by it: the one last run is the one that is meant
    found = [*(f"pairs/{name}.json" for name in store.pairs() if name in pairs)]
    found += sorted(_members(store, runs, pairs, everything))
    found = [name for name in found if checkpoints or "/checkpoints/" not in name]
    for name in found:
        _check_no_link(store.root / name)
    # runs are held by whoever exports, and files of features never change; the others may grow while all is copied
    still = {name: (store.root / name).read_bytes() for name in found if not re.match(r"runs/|.*\.features/", name)}

    def opened(name: str) -> io.BufferedIOBase:
        return io.BytesIO(still[name]) if name in still else (store.root / name).open("rb")

    files = {name: _packed(opened(name)) for name in found}
    with replacing(file) as out, zipfile.ZipFile(out, "w", zipfile.ZIP_STORED, strict_timestamps=False) as archive:
        archive.writestr(_info(MANIFEST), content_of(Manifest(files=files)))
        for name in found:
            with opened(name) as source, archive.open(_info(name), "w", force_zip64=True) as into:
                shutil.copyfileobj(source, into, CHUNK)
    return len(found)


def check_records(store: Store, runs: Sequence[RunFolder], pairs: Sequence[str], everything: bool) -> None:
    """Read every record of these that a table would read, of `everything` evaluations, too. Raises HarnessError for the
    first that is damaged or newer."""
    for run in runs:
        run.record(), run.status(), run.measured(), run.points(), run.trail(), run.read_rows()
    for name in pairs:
        store.pair(name)
    for name in store.evaluations() if everything else ():
        store.read_evaluation(name), store.evaluation_rows(name)
    if pairs or everything:
        store.read_reference()


def unpack(file: Path, into: Path) -> int:
    """Every file of an archive, in that folder, as its manifest says; bytes. Raises HarnessError for whatever is not as
    it should be; the folder may hold part of it then."""
    try:
        if not file.is_file():
            raise HarnessError(f"{file}: there is no such archive")
        with zipfile.ZipFile(file) as archive:
            return _unpack(file, archive, into)
    except zipfile.BadZipFile as error:
        raise HarnessError(f"{file}: is damaged, or no archive of harness runs export ({error}); {REMEDY}") from error
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        raise HarnessError(f"{file}: is damaged: it says that something lies outside of it; {REMEDY}") from error
    except (NotImplementedError, ValueError, RuntimeError, EOFError, LookupError, struct.error) as error:
        raise HarnessError(f"{file}: is damaged, or no archive of harness runs export ({error}); {REMEDY}") from error


def _unpack(file: Path, archive: zipfile.ZipFile, into: Path) -> int:
    members = archive.infolist()
    if not members or members[0].filename != MANIFEST or members[0].file_size > LARGEST_MANIFEST:
        raise HarnessError(f"{file}: is no archive of harness runs export: it does not begin with {MANIFEST}")
    for member in members:
        _check(file, member)
    with archive.open(members[0]) as source:
        manifest = _manifest(file, source.read(LARGEST_MANIFEST + 1), into)
    named = [member.filename for member in members[1:]]
    if twice := next((name for name in named if named.count(name) > 1), None) if len(set(named)) < len(named) else None:
        raise HarnessError(f"{file}: {twice} is in it twice; {REMEDY}")
    if odd := sorted(manifest.files.keys() ^ set(named)):
        raise HarnessError(f"{file}: {printable(odd[0])} is not both in it and in its manifest; {REMEDY}")
    if odd := sorted(name for name in named if not MEMBER.fullmatch(name)):
        raise HarnessError(f"{file}: {printable(odd[0])!r} is no file of results; nothing is taken from it")
    total = sum(packed.size for packed in manifest.files.values())
    if total > file.stat().st_size:
        raise HarnessError(f"{file}: its files are said to be larger than it is; nothing is taken from it")
    if total > (free := shutil.disk_usage(into).free):
        raise HarnessError(f"{into.parent}: {total:,} bytes are needed and {free:,} are free; free some space")
    now = time.time_ns()
    for at, member in enumerate(members[1:]):
        place = into / member.filename
        _extract(file, archive, member, manifest.files[member.filename], place)
        os.utime(place, ns=(now + 1000 * at, now + 1000 * at))  # a clock may be too coarse to keep the order
    return total


def _check(file: Path, member: zipfile.ZipInfo) -> None:
    """Regular, stored as it is, not encrypted."""
    mode = member.external_attr >> 16
    kind = stat.S_IFMT(mode)
    name = printable(member.filename)[:200]
    if kind not in (0, stat.S_IFREG) or member.is_dir():
        raise HarnessError(f"{file}: {name!r} is a link, a folder or a device; nothing is taken from it")
    if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1:
        raise HarnessError(f"{file}: {name!r} is packed or encrypted; nothing is taken from it")


def _manifest(file: Path, content: bytes, into: Path) -> Manifest:
    """Read as every record is, by name."""
    place = into / MANIFEST
    place.write_bytes(content)
    try:
        return read(place, Manifest, REMEDY)
    except HarnessError as error:
        raise HarnessError(str(error).replace(str(place), f"{file}: {MANIFEST}")) from error
    finally:
        place.unlink()


def _extract(file: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo, packed: Packed, into: Path) -> None:
    into.parent.mkdir(parents=True, exist_ok=True)
    digest, size = sha256(), 0
    with archive.open(member) as source, into.open("xb") as out:
        while size <= packed.size and (chunk := source.read(CHUNK)):
            digest.update(chunk)
            size += len(chunk)
            out.write(chunk)
    if size != packed.size or digest.hexdigest() != packed.sha256:
        raise HarnessError(f"{file}: {member.filename} is damaged: not what its sha256 was of; {REMEDY}")


def _members(store: Store, runs: Sequence[RunFolder], pairs: Sequence[str], everything: bool) -> Iterator[str]:
    folders = [run.path for run in runs] + [store.root / "reference"] * (bool(pairs) or everything)
    folders += [store.root / "evaluations"] * everything
    for folder in folders:
        for path in folder.rglob("*"):
            name = path.relative_to(store.root).as_posix()
            if MEMBER.fullmatch(name) and not path.is_dir():
                yield name


def _check_no_link(path: Path) -> None:
    if path.is_symlink():
        raise HarnessError(f"{path}: is a link, and what it leads to is no result; put the file itself there")


def _packed(file: io.BufferedIOBase) -> Packed:
    with file:
        digest = hashlib.file_digest(file, "sha256")
        return Packed(size=file.seek(0, os.SEEK_END), sha256=digest.hexdigest())


def _info(name: str) -> zipfile.ZipInfo:
    """Without a date, which would make other bytes of the same content."""
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFREG | 0o644) << 16
    return info
