"""Write a category's detector as one .tflite file: image in, anomaly score out.

Fits to a category's training images, in the precision that is deployed, and writes the network and
the Gaussians as one model, which adhelpers score and edge.py run without TensorFlow.
"""

import argparse

from ..ground import UserError
from . import deploying, detecting, values
from . import options as shared
from .names import file_name


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to its parser."""
    shared.add_data_options(parser)
    deploying.add_options(parser)
    detecting.add_fitted_option(parser)
    parser.add_argument(
        "-o",
        "--output",
        type=values.path,
        default=argparse.SUPPRESS,
        metavar="FILE",
        help="the file to write, for one category (default: "
        "SAVE_PATH/models/detector_CATEGORY_MODEL_PRECISION.tflite)",
    )


def execute(options: argparse.Namespace) -> None:
    """Export a detector per category, as the options say."""
    datasets = shared.load_datasets(options)
    output = vars(options).get("output")
    if output and len(datasets) > 1:
        raise UserError(
            f"--output names one file, but there are {len(datasets)} categories; choose one with "
            "--category, or leave --output out"
        )
    names = [
        file_name("detector", dataset.category, options.model_name, options.precision)
        for dataset in datasets
    ]
    paths = [output or options.save_path / "models" / f"{name}.tflite" for name in names]
    for path in paths:
        deploying.check_options(options, path)
    fitted = detecting.read_fitted(options, datasets)
    for dataset, path in zip(datasets, paths, strict=True):
        deploying.deploy(dataset.train, dataset.category, path, options, fitted)
    deploying.say_how_to_use(paths[-1])
