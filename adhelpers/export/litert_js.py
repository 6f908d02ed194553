"""LiteRT.js, which runs a detector in a browser: fetched once by npm, and kept in the cache."""

import hashlib
import io
import shutil
import subprocess
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory

from ..features import cache_folder
from ..ground import UserError, write_bytes

VERSION = "2.5.3"

#: The packages' archives as npm names them, and their SHA-256.
_ARCHIVES = {
    "core": "a97660833e9e7e1063c95e12016718881240b14f7438728a2f62785e912d30fd",
    "wasm-utils": "ce2a1f8379c067be49e59752e5a7f40db6be09f6e497f0f11e59f17b515366a7",
}
#: What a page needs, by its name there: the package and the file in it. The build for all browsers:
#: the faster instructions of the other (relaxed SIMD) are not everywhere, and may round otherwise.
_FILES = {
    "core.js": ("core", "dist/index.js"),
    "wasm-utils.js": ("wasm-utils", "dist/index.js"),
    "litert.js": ("core", "wasm/litert_wasm_compat_internal.js"),
    "litert.wasm": ("core", "wasm/litert_wasm_compat_internal.wasm"),
}


def runtime_files() -> dict[str, bytes]:
    """Return the files of LiteRT.js that a page needs, by their names there.

    Raises
    ------
    UserError
        If they are neither in the cache nor can be fetched, or are not those of `VERSION`.
    """
    archives = {package: _archive(package) for package in _ARCHIVES}
    return {name: _member(archives[package], path) for name, (package, path) in _FILES.items()}


def _archive(package: str) -> bytes:
    name = f"litertjs-{package}-{VERSION}.tgz"
    kept = cache_folder() / name
    content = kept.read_bytes() if kept.is_file() else _fetched(package, name, kept)
    found = hashlib.sha256(content).hexdigest()
    if found != _ARCHIVES[package]:
        raise UserError(f"{kept}: SHA-256 {found}, not {_ARCHIVES[package]}; remove it and retry")
    return content


def _fetched(package: str, name: str, kept: Path) -> bytes:
    wanted = f"@litertjs/{package}@{VERSION}"
    by_hand = f"run `npm pack {wanted}` where there is a network, and put {name} into {kept.parent}"
    npm = shutil.which("npm")
    if npm is None:
        raise UserError(f"{wanted} is needed once, and npm is not installed; {by_hand}")
    with TemporaryDirectory() as folder:
        try:
            subprocess.run(
                [npm, "pack", wanted, "--pack-destination", folder],
                cwd=folder,
                capture_output=True,
                check=True,
                timeout=300,
            )
            content = (Path(folder) / name).read_bytes()
        except (subprocess.SubprocessError, OSError) as error:
            raise UserError(
                f"{wanted} is needed once, and npm could not fetch it; {by_hand}"
            ) from error
    if hashlib.sha256(content).hexdigest() == _ARCHIVES[package]:
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(kept, content)
    return content


def _member(archive: bytes, path: str) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return tar.extractfile(f"package/{path}").read()
