"""Make one of the paper's tables for any data set.

levels:       distances (L2, SED, Mahalanobis) by level, and over all levels
backbones:    several networks (--model_name A B ...), by level and over all levels
reductions:   PCA and NPCA by level, and over all levels
combinations: ways to make one score of the levels
thresholds:   true and false positive rates at thresholds, by level and over all levels

Numbers are image AUROC in %: of the fit to all training images, and in brackets mean +- standard
error of the paper's cross-validation. Written to SAVE_PATH/tables as CSV, Markdown and figure.
Features are those of SAVE_PATH/feats, shared with adhelpers run: each image goes through each
network once.
"""

import argparse
from pathlib import Path

from .. import tables
from ..datasets import Dataset
from ..errors import UserError
from ..evaluation import is_defined
from ..features import FeatureSet
from ..files import check_writable, written_whole
from ..protocols import ALL_LEVELS
from . import options as shared

_ROWS = {
    "levels": tables.DISTANCES,
    "reductions": tables.REDUCTIONS,
    "combinations": tables.COMBINATIONS,
}
_TITLES = {
    "levels": "Distances by level",
    "backbones": "Networks by level",
    "reductions": "Reductions by level",
    "combinations": "Combinations of the levels",
    "thresholds": "Thresholds: true / false positives",
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to its parser."""
    add = parser.add_argument
    add("table", choices=_TITLES, help="which table")
    shared.add_network_options(parser, several=True)
    shared.add_data_options(parser)
    add(
        "--folds",
        type=int,
        default=5,
        metavar="N",
        help="of the cross-validation on the training images; 0 for the single fit alone",
    )
    add(
        "--engine",
        default="keras",
        choices=("auto", "keras", "tflite"),
        help="what runs the network; keras is that of adhelpers run with --quantize, so that its "
        "features are used again",
    )


def execute(options: argparse.Namespace) -> None:
    """Make a table, as the options say."""
    _check(options)
    check_writable(options.save_path)
    datasets = shared.load_datasets(options)
    for dataset in datasets:
        if not is_defined(dataset.test.labels):
            raise UserError(
                f"category {dataset.category} needs normal and anomalous test images for a table; "
                "leave it out with --category"
            )
    cells, origins = [], {}
    for model in options.model_name:
        extract = shared.make_extractor(
            argparse.Namespace(**{**vars(options), "model_name": model}), engine=options.engine
        )
        origins[model] = extract.origin
        for dataset in datasets:
            train, test = (
                shared.extract_cached(extract, dataset, split, options.save_path, save_pkl=False)
                for split in ("train", "test")
            )
            cells += _cells(options, dataset, train, test)
    cells.sort(key=lambda cell: [d.category for d in datasets].index(cell.category))
    _write(options, cells + _means(options, cells, origins), origins)


def _check(options: argparse.Namespace) -> None:
    """Find what cannot be done before any work."""
    if options.folds < 0 or options.folds == 1:
        raise UserError(f"--folds must be 2 or more, or 0, not {options.folds}")
    names = options.model_name
    options.model_name = [names] if isinstance(names, str) else list(dict.fromkeys(names))
    if len(options.model_name) == 1:
        return
    if options.table != "backbones":
        raise UserError(f"the table {options.table} is of one network; give one --model_name")
    if options.weights not in ("imagenet", "none"):
        raise UserError(
            f"--weights {options.weights} belong to one network; for several take imagenet or none"
        )


def _cells(
    options: argparse.Namespace, dataset: Dataset, train: FeatureSet, test: FeatureSet
) -> list[tables.AreaCell] | list[tables.RateCell]:
    if options.table == "thresholds":
        return tables.rate_rows(dataset.category, train, test)
    rows = _ROWS.get(options.table, {train.origin["backbone"]: {}})
    columns = [ALL_LEVELS] if options.table == "combinations" else None
    is_mvtec = options.data_path != shared.SYNTHETIC
    return tables.area_rows(dataset.category, rows, train, test, options.folds, is_mvtec, columns)


def _means(options: argparse.Namespace, cells: list, origins: dict[str, dict]) -> list:
    if options.table == "thresholds":
        return tables.mean_rates(cells)
    if options.data_path == shared.SYNTHETIC:
        return tables.mean_areas(cells, {})
    if options.table == "backbones":
        return tables.mean_areas(cells, origins)
    rows = [row for row, parameters in _ROWS[options.table].items() if not parameters]
    return tables.mean_areas(cells, dict.fromkeys(rows, next(iter(origins.values()))))


def _write(options: argparse.Namespace, cells: list, origins: dict[str, dict]) -> None:
    from .. import plots, table_plots

    title, subtitle = _TITLES[options.table], _subtitle(origins)
    parts = ["table", options.table] + ([] if len(origins) > 1 else list(origins))
    place = Path(options.save_path) / "tables" / "_".join(parts)
    text = tables.markdown(cells, title, f"{_caption(options)} {subtitle}.")
    tables.write_csv(cells, f"{place}.csv")
    with written_whole(f"{place}.md") as temporary:
        temporary.write_text(text, "utf-8")
    draw = table_plots.rates if options.table == "thresholds" else table_plots.areas
    plots.save(draw(cells, title, subtitle), f"{place}.png")
    print(text)
    print(f"written to {place}.csv, .md and .png")


def _caption(options: argparse.Namespace) -> str:
    if options.table == "thresholds":
        return "True / false positives in % of the anomalous / normal test images; fitted once."
    if not options.folds:
        return "Image AUROC in %, fitted to all training images."
    return (
        "Image AUROC in %, fitted to all training images (in brackets: mean ± standard error of "
        f"{options.folds} fits to {options.folds - 1}/{options.folds} of them each)."
    )


def _subtitle(origins: dict[str, dict]) -> str:
    first = next(iter(origins.values()))
    return (
        f"{', '.join(origins)}, weights: {first['weights']}, {first['protocol']}, "
        f"{first['engine']} {first['precision']}"
    )
