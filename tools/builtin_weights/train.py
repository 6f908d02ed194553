"""Train the student: python -m tools.builtin_weights.train --help."""

import argparse
import functools
import json
import os
import signal
import time
from pathlib import Path

import numpy as np
import tensorflow as tf

from adhelpers.backbones import builtin

from . import schedule, student, teacher
from .feed import ahead, batches, twice
from .optimizer import Adam

#: How much each level counts: the late ones are what untrained weights lack most.
LEVEL_WEIGHTS = (0.3, 0.2, 0.4, 1.0, 1.0, 1.2, 1.5, 1.5, 1.5)
#: Levels up to this one are early: costly to train, and soon learned.
EARLY = 4
_AVERAGED = 8  # steps between updates of the averaged weights
_DELAY = 48  # batches from which one is met again


def main(arguments=None) -> None:
    options = _parser().parse_args(arguments)
    if options.batch_size % 2:
        raise SystemExit(f"pictures come in pairs: --batch_size {options.batch_size} is odd")
    Path(options.folder).mkdir(parents=True, exist_ok=True)
    Path(options.folder, "train.pid").write_text(str(os.getpid()))
    Path(options.folder, "run.json").write_text(json.dumps(_description(options)))
    signal.signal(signal.SIGTERM, _stop)
    Training(options).run()


def _description(options) -> dict:
    """Describe a run as the weights file states it, without anybody's folders."""
    given = {name: value for name, value in vars(options).items() if value is not None}
    given.pop("folder")
    given |= {name: Path(given[name]).name for name in ("teacher", "start") if name in given}
    command = " ".join(f"--{name} {value}" for name, value in given.items())
    description = {"command": f"python -m tools.builtin_weights.train {command}"}
    if options.start:
        description["start"] = builtin.load_weights(options.start)[1]
    return description


def _stop(*_):
    raise SystemExit("stopped; the same command goes on from here")


class Training:
    """A training run that can be cut off at any time and taken up again."""

    def __init__(self, options):
        self.options = options
        tf.random.set_seed(options.seed)
        self.model = student.build(options.seed)
        if options.start:
            builtin.load_into(self.model, options.start)
        self.stages = student.stages(self.model)
        self.optimizers = optimizers_of(self.stages)
        self.step, self.images = 0, 0
        self.file = Path(options.folder, "checkpoint.npz")
        self.goals = self._goals()
        if self.file.exists():
            state = state_of(self.model, self.optimizers)
            self.step, self.images = restore(self.file, state)
        self._train_steps = {
            part: _train_step(part, self.stages, self.optimizers, self.goals)
            for part in ("early", "late", "all")
        }

    def run(self) -> None:
        """Train to the last step, or until the process is told to stop."""
        try:
            for size, end in schedule.SIZES:
                if self.progress < end:
                    self._run_phase(size, end)
        finally:
            self._save()

    @property
    def progress(self) -> float:
        """float: which share of the run is over."""
        return schedule.progress(self.step, self.options.steps, bool(self.options.start))

    def _run_phase(self, size: int, end: float) -> None:
        options = self.options
        target_maps = teacher.targets(teacher.features(options.teacher, size), self.goals, size)
        saved = time.monotonic()
        window = Window()
        stream = batches([options.seed, self.step], size, options.batch_size, options.workers)

        def prepare(images):
            x = tf.constant(images, tf.float32)
            return x, target_maps(x)

        rng = np.random.default_rng([options.seed, self.step])
        for x, targets in twice(ahead(prepare, stream), _DELAY, rng):
            part = schedule.part_of(self.step, self.progress)
            rate = schedule.learning_rate(self.step, self.progress, options.learning_rate)
            helped = schedule.help_from_teacher(part, self.progress)
            window.add(self._train_steps[part](x, targets, tf.constant(helped), tf.constant(rate)))
            self.step += 1
            self.images += len(x)
            if self.step % _AVERAGED == 0:
                momentum = tf.constant(min(0.98, self.step / (self.step + 80)))
                for optimizer in self.optimizers.values():
                    optimizer.average(momentum)
            if self.step % 60 == 0 or self.progress >= end:
                self._report(size, rate, window)
                window = Window()
            if time.monotonic() - saved > 180:
                self._save()
                saved = time.monotonic()
            if self.progress >= end:
                return

    def _report(self, size, rate, window) -> None:
        line = {
            "step": self.step,
            "images": self.images,
            "size": size,
            "images_per_second": round(self.options.batch_size * window.steps_per_second(), 1),
            "rate": round(rate, 6),
            "maps": np.round(window.means()[0], 3).tolist(),
            "pooled": np.round(window.means()[1], 3).tolist(),
            "pairs": np.round(window.means()[2], 3).tolist(),
        }
        with Path(self.options.folder, "log.jsonl").open("a") as log:
            log.write(json.dumps(line) + "\n")

    def _goals(self):
        """Work the goals out at the start of the first run, and keep them."""
        options = self.options
        file = Path(options.folder, "goals.npz")
        if not file.exists():
            size = schedule.SIZES[-1][0]
            stream = batches([options.seed, 1 << 20], size, options.batch_size, options.workers)
            some = (next(stream) for _ in range(max(1, options.statistics // options.batch_size)))
            learned = functools.partial(self.model, training=False) if options.start else None
            features = teacher.features(options.teacher, size)
            found = teacher.goals(features, some, options.seed, learned)
            np.savez(file, goals=np.array(found, dtype=object))
        return np.load(file, allow_pickle=True)["goals"].item()

    def _save(self) -> None:
        partial = self.file.with_name("partial.npz")
        arrays = [v.numpy() for v in state_of(self.model, self.optimizers)]
        np.savez(partial, *arrays, step=self.step, images=self.images)
        partial.replace(self.file)


def optimizers_of(stages) -> dict[str, Adam]:
    """Make an optimiser for the early stages, and one for the late ones."""
    parts = {"early": stages[:EARLY], "late": stages[EARLY:]}
    return {
        part: Adam([v for stage in some for v in stage.trainable_variables])
        for part, some in parts.items()
    }


def state_of(model, optimizers: dict[str, Adam]) -> list:
    """Return every variable that a run goes on from."""
    return [*model.weights, *(v for adam in optimizers.values() for v in adam.state())]


def restore(checkpoint: Path, state: list) -> tuple[int, int]:
    """Read a checkpoint into the variables of a run, and return its steps and images."""
    with np.load(checkpoint) as saved:
        for i, variable in enumerate(state):
            variable.assign(saved[f"arr_{i}"])
        return int(saved["step"]), int(saved["images"])


def _train_step(part: str, stages, optimizers, goals):
    """Return a compiled step that trains the early stages, the late ones, or all."""
    trained = optimizers if part == "all" else {part: optimizers[part]}
    first = EARLY if part == "late" else 0
    last = EARLY if part == "early" else len(stages)
    weights = tf.constant(LEVEL_WEIGHTS[first:last], tf.float32)
    variables = [v for adam in trained.values() for v in adam.variables]
    padding = [[0, 0], [first, len(stages) - last]]

    @tf.function(reduce_retracing=True)
    def step(images, targets, helped, rate):
        x = images if first == 0 else _entry(stages[:first], targets, images, helped)
        own = list(goals.items())[first:last]
        with tf.GradientTape() as tape:
            losses = _losses(stages[first:last], own, x, targets, helped)
            maps, pooled, pairs = tf.unstack(losses)
            loss = tf.reduce_sum(weights * (maps + pooled + tf.math.log(pairs)))
        gradients, _ = tf.clip_by_global_norm(tape.gradient(loss, variables), 10.0)
        for adam in trained.values():
            adam.apply(gradients[: len(adam.variables)], rate)
            gradients = gradients[len(adam.variables) :]
        return tf.pad(losses, padding, constant_values=np.nan)

    return step


def _entry(stages, targets, images, helped):
    """Return what enters the stages after these, which are not trained now."""
    level = f"level_{len(stages)}"

    def own():
        x = images
        for stage in stages:
            x = stage(x, training=False)
        return _helped(x, targets[level], helped)

    return tf.cond(helped >= 1, lambda: targets[level], own)


def _losses(stages, goals, x, targets, helped):
    """Return the losses of each level: over positions, of the means over positions, and of pairs.

    1 is what the best constant answer would have. That of pairs is what a detector depends on: how
    two pictures of one scene differ, measured by their Mahalanobis distance. It is a small part of
    all that differs between pictures, and is not learned unless it is asked for.
    """
    maps, pooled, pairs = [], [], []
    for stage, (level, goal) in zip(stages, goals, strict=True):
        x, target = stage(x, training=True), targets[level]
        error = x - target
        maps.append(tf.reduce_mean(tf.square(error / goal.spread)))
        mean = tf.reduce_mean(error, (1, 2))
        pooled.append(tf.reduce_mean(tf.square(mean / goal.pooled_spread)))
        difference = (mean[::2] - mean[1::2]) @ goal.whitening
        pairs.append(tf.reduce_mean(tf.reduce_sum(tf.square(difference), -1)))
        x = _helped(x, target, helped)
    return tf.stack([maps, pooled, pairs])


def _helped(x, target, helped):
    """With the chance `helped`, let an image go on not as the student's map but as its goal."""
    forced = tf.random.uniform((tf.shape(x)[0], 1, 1, 1)) < helped
    return tf.where(forced, target, x)


class Window:
    """Losses and speed since the last report."""

    def __init__(self):
        self.losses = []
        self.start = time.monotonic()

    def add(self, losses) -> None:
        self.losses.append(losses)

    def means(self) -> np.ndarray:
        """Return the mean losses, (3, levels), of the steps that trained a level."""
        losses = np.array(self.losses)
        trained = np.maximum(np.sum(~np.isnan(losses), axis=0), 1)
        return np.nansum(losses, axis=0) / trained

    def steps_per_second(self) -> float:
        return len(self.losses) / (time.monotonic() - self.start)


def _parser():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--teacher", required=True, help="EfficientNetV2-B0: a .weights.h5 file")
    parser.add_argument("--start", help="go on from the weights of an .npz file")
    parser.add_argument("--folder", default="result/builtin_weights", help="checkpoints and log")
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--batch_size", type=int, default=32)
    parser.add_argument("--learning_rate", type=float, default=2e-3)
    parser.add_argument("--statistics", type=int, default=1280, help="pictures for the goals")
    parser.add_argument("--workers", type=int, default=2, help="processes that draw")
    parser.add_argument("--seed", type=int, default=0)
    return parser


if __name__ == "__main__":
    main()
