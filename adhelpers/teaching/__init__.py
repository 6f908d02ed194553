"""What the notebooks share besides the method: finding the data, and figures to teach with."""

from pathlib import Path

from ..datasets import Dataset, load_mvtec, load_synthetic, synthetic
from .diagrams import bars, curves, ellipses, intervals, scatters, spectra, strips
from .maps import dilution, scales
from .pictures import gallery, outlined
from .quantization import decisions, operators, sorted_curves


def images_of(data: str | Path, category: str) -> Dataset:
    """List the images of a category, for a notebook.

    Parameters
    ----------
    data : str or Path
        ``"synthetic"``, or a folder laid out like MVTec AD.
    category : str

    Returns
    -------
    dataset : Dataset

    Raises
    ------
    UserError
        If there is no such folder or category.

    Notes
    -----
    The embedded data set is drawn at its first use: into the folder ``data`` of the checkout that
    the notebook lies in, or else of the working folder.
    """
    if str(data) != "synthetic":
        return load_mvtec(data, category)
    here = Path.cwd()
    home = next((f for f in (here, *here.parents) if (f / "data/README.md").is_file()), here)
    return load_synthetic(category, home / "data" / "synthetic")


def many_images_of(data: str | Path, category: str, folder: str | Path, n_normal: int) -> Dataset:
    """List the images of a category, with more normal ones where they are drawn.

    Parameters
    ----------
    data, category : str
        As for `images_of`.
    folder : str or Path
        Where images of the embedded data set are drawn.
    n_normal : int
        How many of them to draw for training; a folder of images has those that it has.

    Returns
    -------
    dataset : Dataset

    Raises
    ------
    UserError
        If there is no such folder or category.
    """
    if str(data) != "synthetic":
        return load_mvtec(data, category)
    return load_mvtec(synthetic.write(folder, [category], n_train=n_normal), category)
