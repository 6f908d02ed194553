"""int8 on EfficientNet: what hurts, what it saves, and the best trade-off, in one run.

Three tables and a figure: the damage of each kind of operator; ranges for static int8 by several
rules; and AUROC, rank correlation with the float scores, size and time of all precisions. Whatever
is fitted, calibrated or selected sees normal training images alone; the detector is fitted and
scored in the same precision: "plain" on the training images, "light" with three copies of each in
other light (gain 0.8-1.2, offset +-15) besides. Times are medians of models that take turns on one
thread; the processor's time, so that other work on the machine matters little.

    python benchmarks/int8.py --backbone efficientnetv2-b0 --weights FILE \
        --root MVTEC_AD --categories toothbrush screw --figure docs/int8.png
    python benchmarks/int8.py --backbone efficientnet-b0 --weights builtin --categories gear weave
"""

import argparse
import re
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from ai_edge_quantizer import qtyping, quantizer
from matplotlib.figure import Figure
from scipy.stats import spearmanr

import adhelpers as ad
from adhelpers import backbones, images, quantization
from adhelpers.evaluation import plots
from adhelpers.features import choose_calibration
from adhelpers.ground import silence
from adhelpers.images import Augmentation
from adhelpers.quantization import convolutions, mixed_precision, static_int8
from adhelpers.quantization import ranges as measured
from adhelpers.quantization.static_int8 import Operator

LIGHT = Augmentation(gain=0.2, offset=15.0, copies=3)
BUDGETS = (0.05, 0.1, 0.15, 0.2, 0.3, 1.0)
_PLAIN = ("float16", "int8-weights", "dynamic")
_OWN = "int8, quantizer's own"
_MARKERS = {"int8-weights": "^", "dynamic": "v", _OWN: "x", "int8, percentile": "+"}
_LAYER = r"stem_conv|top_conv|block\d\w_[a-z]+"
_KINDS = {
    "DEPTHWISE_CONV_2D": "depthwise convolutions",
    "ADD": "sums",
    "LOGISTIC": "swish, excitation",
    "MUL": "swish, excitation",
}


class Case:
    """A category's pixels, with calibration images drawn from the training images."""

    def __init__(self, root: str | None, category: str, side: int, seed: int):
        data = (
            ad.datasets.load_mvtec(root, category) if root else ad.datasets.load_synthetic(category)
        )
        self.name, self.labels = category, np.asarray(data.test.labels)
        self.train, self.test = (
            np.stack([images.to_square(images.read(path), side) for path in part.paths])
            for part in (data.train, data.test)
        )
        drawn = choose_calibration(data.train, 100, seed)
        places = {path: i for i, path in enumerate(data.train.paths)}
        self.calibration = self.train[[places[path] for path in drawn.paths]]
        self.copies = lit(self.train, LIGHT.copies)

    def distances(self, model: bytes) -> dict[str, dict[str, np.ndarray]]:
        """Fit and score in the precision of the model, without and with the copies."""
        train, copies, test = (
            mixed_precision.features(model, x) for x in (self.train, self.copies, self.test)
        )
        both = {name: np.concatenate([train[name], copies[name]]) for name in train}
        found = {}
        for fit, levels in (("plain", train), ("light", both)):
            detector = ad.MahalanobisDetector(threshold=None)
            detector.fit(ad.FeatureSet.from_arrays(levels))
            found[fit] = detector.level_distances(ad.FeatureSet.from_arrays(test, self.labels))
        return found


def lit(pictures: np.ndarray, copies: int) -> np.ndarray:
    """Return copies of images in other light."""
    rng = np.random.default_rng(0)
    return np.stack([LIGHT(image, rng) for _ in range(copies) for image in pictures])


def kinds_of_operators(model: bytes) -> dict[str, list[Operator]]:
    """Return the operators that may become int8, by kind."""
    found = {x.name: x for x in convolutions.find(model)}
    first = next(iter(found))
    kinds: dict[str, list[Operator]] = {}
    for operator in static_int8.operators(model):
        if operator.shape[1] == 1:
            kind = "squeeze-and-excite"
        elif operator.name == first:
            kind = "first convolution"
        elif operator.name in found:
            kernel = found[operator.name].shape[1]
            kind = "convolutions k x k" if kernel > 1 else "convolutions 1 x 1"
        else:
            kind = _KINDS[operator.kind]
        kinds.setdefault(kind, []).append(operator)
    return kinds


def latencies(models: dict[str, bytes], rounds: int = 40) -> dict[str, float]:
    """Return the median processor time per image in ms, of models that take turns on one thread."""
    runs = {}
    for name, model in models.items():
        with silence():
            run = Interpreter(model_content=model, num_threads=1)
            run.allocate_tensors()
        (source,) = run.get_input_details()
        rng = np.random.default_rng(0)
        run.set_tensor(source["index"], rng.uniform(0, 255, source["shape"]).astype(np.float32))
        run.invoke()
        runs[name] = run
    times = {name: [] for name in models}
    for _ in range(rounds):
        for name, run in runs.items():
            start = time.thread_time()
            run.invoke()
            times[name].append(time.thread_time() - start)
    return {name: 1e3 * float(np.median(x)) for name, x in times.items()}


def operators_table(model: bytes, case: Case) -> None:
    """Print the damage of each kind of operator, alone, and the time that it saves."""
    ranges = static_int8.ranges(model, case.calibration)
    found = {x.name: x for x in convolutions.find(model)}
    weights = convolutions.weights(model, list(found.values()))
    models = {"float32": model}
    for kind, operators in kinds_of_operators(model).items():
        models[f"static int8, {kind}"] = static_int8.with_int8(model, operators, ranges)
        chosen = [found[x.name] for x in operators if x.name in found]
        if chosen:
            models[f"dynamic int8, {kind}"] = mixed_precision.with_int8(model, chosen, weights)
    probe = mixed_precision.probe_of(model, case.calibration)
    times = latencies(models)
    print(f"\n## {case.name}: damage by kind of operator, alone\n")
    _head(["int8", *probe.gaussians, "ms saved"])
    for name, quantized in models.items():
        damage = mixed_precision.damage_of(quantized, probe).values()
        _row([name, *(f"{x:.2f}" for x in damage), f"{times['float32'] - times[name]:+.2f}"])
    print(f"\nfloat32: {times['float32']:.2f} ms")


def own_calibration(model: bytes, pictures: np.ndarray) -> bytes:
    """Make all operators static int8, with the moving averages of extremes as ranges."""
    work = quantizer.Quantizer(model)
    work.add_static_config(
        ".*",
        qtyping.TFLOperationName.ALL_SUPPORTED,
        activation_num_bits=8,
        weight_num_bits=8,
    )
    for end in (qtyping.TFLOperationName.INPUT, qtyping.TFLOperationName.OUTPUT):
        work.update_quantization_recipe(".*", end, algorithm_key="no_quantize")
    with silence():
        ranges = work.calibrate(
            {"serving_default": [{"image": x[None].astype(np.float32)} for x in pictures]}
        )
        (source,) = (name for name in ranges if name.startswith("serving_default_image"))
        ranges = measured.quantizer_ranges(ranges, {source: (0.0, 255.0)})
        return bytes(work.quantize(ranges, enable_progress_report=False).quantized_model)


def static_models(model: bytes, case: Case, rounded: dict) -> dict[str, bytes]:
    """Return static int8 with ranges by each rule, and with what else might serve."""
    every, static = static_int8.operators(model), static_int8.with_int8
    ranges = {rule: static_int8.ranges(model, case.calibration, rule) for rule in measured.RULES}
    models = {_OWN: own_calibration(model, case.calibration)}
    models |= {f"int8, {rule}": static(model, every, x) for rule, x in ranges.items()}
    other_light = np.concatenate([case.calibration, lit(case.calibration, 1)])
    models["int8, percentile, other light"] = static(
        model, every, static_int8.ranges(model, other_light)
    )
    found = convolutions.find(model)
    changed = convolutions.with_weights(model, found, rounded)
    models["int8, percentile, weights rounded"] = static(changed, every, ranges["percentile"])
    return models


def mixed_models(model: bytes, case: Case, rounded: dict) -> dict[str, bytes]:
    """Return int8-mixed by its budgets, and without the rounding of weights."""
    found = convolutions.find(model)
    plain = convolutions.weights(model, found)
    costs = np.array([x.multiply_adds for x in found])
    models = {}
    for weights, budgets in ((rounded, BUDGETS), (plain, [mixed_precision.BUDGET])):
        damage = mixed_precision.measure(model, found, weights, case.calibration)
        for budget in budgets:
            kept = mixed_precision.select(damage, costs, budget)
            chosen = [x for x, keep in zip(found, kept, strict=True) if keep]
            name = f"int8-mixed, {budget:g}" + (", plain weights" if weights is plain else "")
            quantized = mixed_precision.with_int8(model, chosen, weights)
            if quantized in models.values():
                continue  # the same choice as with the budget before
            models[name] = quantized
            left = [x.name for x, keep in zip(found, kept, strict=True) if not keep]
            print(
                f"{name}: {costs[kept].sum() / costs.sum():.0%} of the multiply-adds are int8; "
                f"float: {', '.join(re.search(_LAYER, x)[0] for x in left) or 'none'}"
            )
    return models


def compare(case: Case, models: dict[str, bytes]) -> list[dict]:
    """Print and return what each model costs, and its scores against those of float32."""
    times = latencies(models)
    probe = mixed_precision.probe_of(models["float32"], case.calibration)
    distances = {model: case.distances(model) for model in set(models.values())}
    reference = distances[models["float32"]]
    rows = []
    fits = [x for fit in reference for x in (f"{fit}: AUROC", "gap", "rho")]
    _head(["", "damage", *fits, "MB", "ms", "time"])
    for name, model in models.items():
        damage = mixed_precision.damage_of(model, probe)
        row = {"name": name, "category": case.name, "damage": max(damage.values())}
        row |= {"size": len(model), "ms": times[name], "time": times[name] / times["float32"]}
        rows.append(row | judge(case, distances[model], reference, list(damage)))
        _comparison(rows[-1])
        if name == _OWN:
            least = sorted(damage, key=damage.get)[: len(damage) // 2]
            half = row | judge(case, distances[model], reference, least)
            _comparison(half | {"name": f"{_OWN}, half of the levels", "damage": damage[least[-1]]})
    return rows


def judge(case: Case, found: dict, reference: dict, levels: Sequence[str]) -> dict[str, float]:
    """Return AUROC, its gap to float32 in points, and the rank correlation, by fit."""
    result = {}
    for fit in reference:
        scores = sum(found[fit][level] for level in levels)
        full = sum(reference[fit].values())
        area = 100 * ad.evaluation.roc_auc(case.labels, scores)
        result[f"area {fit}"] = area
        result[f"gap {fit}"] = area - 100 * ad.evaluation.roc_auc(case.labels, full)
        result[f"rho {fit}"] = float(spearmanr(scores, full)[0])
    return result


def _comparison(row: dict) -> None:
    cells = [row["name"], f"{row['damage']:.2f}"]
    for fit in ("plain", "light"):
        cells += [f"{row[f'area {fit}']:.1f}", f"{row[f'gap {fit}']:+.1f}"]
        cells.append(f"{row[f'rho {fit}']:.4f}")
    _row([*cells, f"{row['size'] / 1e6:.1f}", f"{row['ms']:.2f}", f"{row['time']:.2f}"])


def trade_off(rows: list[dict]) -> Figure:
    """Draw what is lost in rank correlation, and the AUROC gap, against time."""
    figure = Figure(figsize=(11, 4.8), layout="constrained")
    panels = figure.subplots(1, 2)
    curves = dict.fromkeys((row["category"], fit) for row in rows for fit in ("plain", "light"))
    for (category, fit), colour in zip(curves, plots.sns.color_palette("colorblind"), strict=False):
        mine = [row for row in rows if row["category"] == category]
        loss = [1 - row[f"rho {fit}"] for row in mine]
        gap = [row[f"gap {fit}"] for row in mine]
        for panel, values in zip(panels, (loss, gap), strict=True):
            points = {row["name"]: (row["time"], y) for row, y in zip(mine, values, strict=True)}
            curve = [points[name] for name in points if re.fullmatch(r"int8-mixed, [\d.]+", name)]
            panel.plot(*zip(*sorted(curve), strict=True), "o-", color=colour, markersize=4)
            for name, marker in _MARKERS.items():
                panel.plot(*points[name], marker, color=colour)
        panels[1].plot([], [], "-", color=colour, label=f"{category}, {fit}")
    for name, marker in _MARKERS.items():
        panels[1].plot([], [], marker, color="0.3", label=name)
    panels[0].set(yscale="log", ylabel="1 - rank correlation with the float32 scores")
    panels[1].set(ylabel="AUROC, difference to float32 (points)")
    panels[1].legend(fontsize=8)
    for panel in panels:
        panel.set_xlabel("time per image on one thread, float32 = 1")
        panel.grid(alpha=0.3)
    figure.suptitle("int8-mixed by its budget (lines) and other precisions", fontsize=11)
    return figure


def _head(cells: Sequence[str]) -> None:
    _row(cells)
    print("|" + "---|" * len(cells))


def _row(cells: Sequence[str]) -> None:
    print(f"| {' | '.join(cells)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backbone", default="efficientnet-b0")
    parser.add_argument("--weights", default="builtin")
    parser.add_argument("--root", help="MVTec AD's folder; the embedded data set when not given")
    parser.add_argument("--categories", nargs="+", default=["gear"])
    parser.add_argument("--seed", type=int, default=0, help="of the calibration images")
    parser.add_argument("--mixed-only", action="store_true", help="float32 and int8-mixed alone")
    parser.add_argument("--figure", type=Path, help="where to write the trade-off, a .png")
    arguments = parser.parse_args()
    backbone = ad.backbones.load_backbone(arguments.backbone, arguments.weights)
    model, rows = backbones.convert(backbone), []
    for category in arguments.categories:
        case = Case(arguments.root, category, backbone.input_size, arguments.seed)
        if not arguments.mixed_only:
            operators_table(model, case)
        print(f"\n## {category}: precisions\n")
        rounded = mixed_precision.rounded_weights(model, convolutions.find(model), case.calibration)
        models = {"float32": model}
        if not arguments.mixed_only:
            models |= {x: quantization.quantize(model, x, case.calibration) for x in _PLAIN}
            models |= static_models(model, case, rounded)
        models |= mixed_models(model, case, rounded)
        print()
        rows += compare(case, models)
    if arguments.figure:
        plots.save(trade_off(rows), arguments.figure)


if __name__ == "__main__":
    main()
