"""Make the weights file of a trained student: python -m tools.builtin_weights.finish --help."""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import tensorflow as tf

from adhelpers.backbones import builtin

from . import store, student
from .pictures import stream
from .train import optimizers_of, restore, state_of

VERSION = 2
_ATTRIBUTION = (
    "Apache-2.0. Trained on pictures from formulas to imitate the feature maps of "
    "EfficientNetV2-B0 with the ImageNet weights of Keras Applications (Apache-2.0, The Keras "
    "authors; M. Tan and Q. Le, EfficientNetV2, ICML 2021)."
)


def main(arguments=None) -> None:
    options = _parser().parse_args(arguments)
    folder = Path(options.folder)
    model = averaged_model(folder / "checkpoint.npz")
    settle_statistics(model, options.pictures, options.size, options.seed)
    arrays = {path: v.numpy() for path, v in builtin.named_weights(model).items()}
    store.save(options.weights, arrays, _record(folder, options))
    size = Path(options.weights).stat().st_size
    print(f"{options.weights}: {len(arrays)} arrays, {size / 1e6:.2f} MB")


def averaged_model(checkpoint: Path):
    """Build the student with the averaged weights of a checkpoint."""
    model = student.build(0)
    stages = student.stages(model)
    optimizers = optimizers_of(stages)
    restore(checkpoint, state_of(model, optimizers))
    for adam in optimizers.values():
        for variable, average in zip(adam.variables, adam.averages, strict=True):
            variable.assign(average)
    return model


def settle_statistics(model, count: int, size: int, seed: int, batch_size: int = 32) -> None:
    """Set the normalisations' statistics to the mean over pictures of the size of use."""
    layers = [x for x in model.layers if isinstance(x, student.FusedBatchNormalization)]
    drawn = stream([seed, 1 << 21], size)
    for i in range(max(1, count // batch_size)):
        for layer in layers:
            layer.momentum = i / (i + 1)
        images = np.stack([next(drawn) for _ in range(batch_size)])
        model(tf.constant(images, tf.float32), training=True)


def _record(folder: Path, options) -> dict:
    run = json.loads((folder / "run.json").read_text())
    log = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return {
        "version": VERSION,
        "network": student.NAME,
        "teacher": "EfficientNetV2-B0, ImageNet (Keras Applications)",
        "licence_and_attribution": _ATTRIBUTION,
        "training_command": run["command"],
        "note": options.note,
        **({"start": run["start"]} if "start" in run else {}),
        "steps": log[-1]["step"],
        "images": log[-1]["images"],
        "final_loss": {name: log[-1][name] for name in ("maps", "pooled", "pairs")},
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
    }


def _parser():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", default="result/builtin_weights", help="of the training")
    parser.add_argument("--weights", required=True, help="the .npz file to write")
    parser.add_argument("--pictures", type=int, default=2048, help="for the statistics")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--note", default="", help="what else the record should say")
    parser.add_argument("--seed", type=int, default=0)
    return parser


if __name__ == "__main__":
    main()
