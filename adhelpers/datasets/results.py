"""Results of the commands are never taken for data."""

from collections.abc import Iterable
from pathlib import Path

from ..ground import UserError
from .listing import images_in, is_results


def check_apart(save_path: Path, data_path: Path, images: Iterable[Path]) -> None:
    """Raise a UserError if what is written to a folder would lie among a data set's images.

    Parameters
    ----------
    save_path, data_path : Path
        A folder of results may lie beside the categories, where it is left out of the data.
    images : iterable of Path
        The images and masks of the data set.
    """
    save, data = save_path.resolve(), data_path.resolve()
    if save != data and data not in save.parents:
        return
    folders = {image.parent for image in images}
    within = [folder for folder in (save, *save.parents) if data in folder.parents]
    among = save == data or any(_has_images(folder) for folder in within)
    if among or any(save in (place, *place.parents) for place in map(Path.resolve, folders)):
        raise UserError(
            f"--save_path {save_path} lies among the images of {data_path}, where results would "
            "become data; name a folder of its own, beside the categories or elsewhere"
        )


def _has_images(folder: Path) -> bool:
    return bool(images_in(folder)) and not is_results(folder)
