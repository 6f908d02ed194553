"""The folder that the workers of a job share."""

import atexit
import shutil
import tempfile
from urllib.parse import urlsplit

from ..ground import UserError


def shared_folder(folder: str | None, client) -> str:
    """Return where a job keeps its parts: a folder that is named, or one until this process ends.

    Parameters
    ----------
    folder : str or None
        A path, or a URL.
    client : distributed.Client or None

    Raises
    ------
    UserError
        If none is named, and there are workers on other machines.
    """
    if folder is not None:
        return str(folder).rstrip("/")
    if client is not None:
        own = urlsplit(client.scheduler.address).hostname
        workers = client.scheduler_info(n_workers=-1)["workers"]
        hosts = {urlsplit(address).hostname for address in workers} | {own}
        if hosts - {"127.0.0.1", "localhost", None} and len(hosts) > 1:
            raise UserError(
                f"workers on {len(hosts)} machines share no temporary folder; name one that all "
                "reach, such as s3://BUCKET/FOLDER"
            )
    temporary = tempfile.mkdtemp(prefix="adhelpers-")
    atexit.register(shutil.rmtree, temporary, ignore_errors=True)
    return temporary
