"""Make one of the paper's tables for any data set.

levels:       distances (L2, SED, Mahalanobis) by level, and over all levels
backbones:    several networks (--model_name A B ...), by level and over all levels
reductions:   PCA and NPCA by level, and over all levels
combinations: ways to make one score of the levels
thresholds:   true and false positive rates at thresholds, by level and over all levels
detectors:    the kinds of detector (--detector A B ...), over their levels

Numbers are image AUROC in %: of the fit to all training images, and in brackets mean +- standard
error of the paper's cross-validation. Written to SAVE_PATH/tables as CSV, Markdown and figure.
Features are those of SAVE_PATH/feats, shared with adhelpers run: each image goes through each
network once.
"""

import argparse
from pathlib import Path

from ..datasets import Dataset
from ..detector import DETECTORS, TOO_FEW
from ..evaluation import is_defined
from ..features import ENGINES, Origin
from ..gaussian import can_hold_out
from ..ground import UserError, check_writable, write_text
from ..study import ALL_LEVELS, tables
from ..study.published import is_mvtec
from . import options as shared
from . import values

_ROWS = {
    "levels": tables.DISTANCES,
    "reductions": tables.REDUCTIONS,
    "combinations": tables.COMBINATIONS,
}
_FITTED_ONCE = ("thresholds", "detectors")
_TITLES = {
    "levels": "Distances by level",
    "backbones": "Networks by level",
    "reductions": "Reductions by level",
    "combinations": "Combinations of the levels",
    "thresholds": "Thresholds: true / false positives",
    "detectors": "Kinds of detector",
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to its parser."""
    add = parser.add_argument
    add("table", choices=_TITLES, help="which table")
    shared.add_network_options(parser, several=True)
    shared.add_data_options(parser)
    add(
        "--folds",
        type=values.whole_number(0, 1000),
        default=5,
        metavar="N",
        help="of the cross-validation on the training images; 0 for the single fit alone",
    )
    add(
        "--engine",
        default="keras",
        choices=ENGINES,
        help="what runs the network; keras is that of adhelpers run with --quantize, so that its "
        "features are used again",
    )
    add(
        "--detector",
        nargs="+",
        default=list(DETECTORS),
        choices=DETECTORS,
        metavar="KIND",
        help=f"of the table detectors: {shared.in_words(DETECTORS)}",
    )
    add(
        "--mvtec",
        action="store_true",
        help="the images are MVTec AD's, so that published figures belong beside (without it, "
        "where a category has as many images as MVTec AD's)",
    )


def execute(options: argparse.Namespace) -> None:
    """Make a table, as the options say."""
    models = list(dict.fromkeys(options.model_name))
    _check(options, models)
    check_writable(options.save_path)
    datasets = shared.load_datasets(options)
    for dataset in datasets:
        if not is_defined(dataset.test.labels):
            raise UserError(
                f"category {dataset.category} needs normal and anomalous test images for a table; "
                "leave it out with --category"
            )
        if options.table not in _FITTED_ONCE and len(dataset.train) < options.folds:
            raise UserError(
                f"category {dataset.category} has {len(dataset.train)} training images, fewer "
                f"than {options.folds} folds; take fewer by --folds, or 0 for the single fit alone"
            )
    mvtec = {dataset.category: options.mvtec or is_mvtec(dataset) for dataset in datasets}
    cells, origins = [], {}
    for model in models:
        extract = shared.make_extractor(options, model_name=model, engine=options.engine)
        origins[model] = extract.origin
        for dataset in datasets:
            cells += _cells(options, dataset, extract, mvtec[dataset.category])
    cells.sort(key=lambda cell: list(mvtec).index(cell.category))
    means = _means(options.table, cells, origins if all(mvtec.values()) else {})
    _write(options, cells + means, origins)


def _check(options: argparse.Namespace, models: list[str]) -> None:
    """Find what cannot be done before any work."""
    if options.folds < 0 or options.folds == 1:
        raise UserError(f"--folds must be 2 or more, or 0, not {options.folds}")
    if len(models) == 1:
        return
    if options.table != "backbones":
        raise UserError(f"the table {options.table} is of one network; give one --model_name")
    if options.weights not in ("imagenet", "none"):
        raise UserError(
            f"--weights {options.weights} belong to one network; for several take imagenet or none"
        )


def _cells(
    options: argparse.Namespace, dataset: Dataset, extract, mvtec: bool
) -> list[tables.AreaCell] | list[tables.RateCell]:
    category = dataset.category
    extract = extract.for_images(dataset.train)
    if options.table == "detectors":
        train, test = extract.maps(dataset.train), extract.maps(dataset.test)
        kinds = list(dict.fromkeys(options.detector))
        return tables.detector_rows(category, train, test, kinds, mvtec)
    train, test = (
        shared.extract_cached(extract, dataset, split, options.save_path, save_pkl=False)
        for split in ("train", "test")
    )
    if options.table == "thresholds":
        if not can_hold_out(train.groups):
            print(f"{category}: {TOO_FEW}", flush=True)
        return tables.rate_rows(category, train, test)
    rows = _ROWS.get(options.table, {extract.origin.backbone: {}})
    columns = [ALL_LEVELS] if options.table == "combinations" else None
    return tables.area_rows(category, rows, train, test, options.folds, mvtec, columns)


def _means(table: str, cells: list, origins: dict[str, Origin]) -> list:
    """Return the means over the categories; `origins` are of the models to compare, if any."""
    if table == "thresholds":
        return tables.mean_rates(cells)
    if table == "backbones" or not origins:
        return tables.mean_areas(cells, origins)
    if table == "detectors":
        return tables.mean_areas(cells, {"pooled": next(iter(origins.values()))})
    rows = [row for row, parameters in _ROWS[table].items() if not parameters]
    return tables.mean_areas(cells, dict.fromkeys(rows, next(iter(origins.values()))))


def _write(options: argparse.Namespace, cells: list, origins: dict[str, Origin]) -> None:
    from ..evaluation import plots
    from ..study import table_plots

    title, subtitle = _TITLES[options.table], _subtitle(origins)
    parts = ["table", options.table] + ([] if len(origins) > 1 else list(origins))
    place = Path(options.save_path) / "tables" / "_".join(parts)
    text = tables.markdown(cells, title, f"{_caption(options)} {subtitle}.")
    tables.write_csv(cells, f"{place}.csv")
    write_text(f"{place}.md", text)
    draw = table_plots.rates if options.table == "thresholds" else table_plots.areas
    plots.save(draw(cells, title, subtitle), f"{place}.png")
    print(text)
    print(f"written to {place}.csv, .md and .png")


def _caption(options: argparse.Namespace) -> str:
    if options.table == "thresholds":
        return "True / false positives in % of the anomalous / normal test images; fitted once."
    if not options.folds or options.table in _FITTED_ONCE:
        return "Image AUROC in %, fitted to all training images."
    return (
        "Image AUROC in %, fitted to all training images (in brackets: mean ± standard error of "
        f"{options.folds} fits to {options.folds - 1}/{options.folds} of them each)."
    )


def _subtitle(origins: dict[str, Origin]) -> str:
    first = next(iter(origins.values()))
    return (
        f"{', '.join(origins)}, weights: {first.weights}, {first.protocol}, "
        f"{first.engine} {first.precision}"
    )
