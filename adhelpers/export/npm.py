"""Packages of npm at a pinned version: fetched once, checked, and kept in the cache."""

import hashlib
import io
import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from ..features import cache_folder
from ..ground import UserError, write_bytes


@dataclass(frozen=True)
class Package:
    """A package of npm.

    Parameters
    ----------
    name, version : str
        As npm knows them: ``"@litertjs/core"``, ``"2.5.3"``.
    sha256 : str
        Of its archive, in hexadecimal.
    """

    name: str
    version: str
    sha256: str

    def files(self, *paths: str) -> list[bytes]:
        """Return the contents of some of its files, by their paths in the package.

        Raises
        ------
        UserError
            If the archive is neither in the cache nor can be fetched, or is another one.
        """
        with tarfile.open(fileobj=io.BytesIO(self._archive())) as tar:
            return [tar.extractfile(f"package/{path}").read() for path in paths]

    @property
    def _wanted(self) -> str:
        return f"{self.name}@{self.version}"

    @property
    def _kept(self) -> Path:
        """The archive's place, under the name that npm gives it."""
        plain = self.name.removeprefix("@").replace("/", "-")
        return cache_folder() / f"{plain}-{self.version}.tgz"

    def _archive(self) -> bytes:
        kept = self._kept
        content = kept.read_bytes() if kept.is_file() else self._fetched()
        found = hashlib.sha256(content).hexdigest()
        if found != self.sha256:
            raise UserError(f"{kept}: SHA-256 {found}, not {self.sha256}; remove it and retry")
        return content

    def _fetched(self) -> bytes:
        kept, wanted = self._kept, self._wanted
        by_hand = (
            f"run `npm pack {wanted}` where there is a network, "
            f"and put {kept.name} into {kept.parent}"
        )
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
                content = (Path(folder) / kept.name).read_bytes()
            except (subprocess.SubprocessError, OSError) as error:
                raise UserError(
                    f"{wanted} is needed once, and npm could not fetch it; {by_hand}"
                ) from error
        if hashlib.sha256(content).hexdigest() == self.sha256:
            kept.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(kept, content)
        return content
