"""Adam with decoupled weight decay and averaged weights, fast on a CPU."""

import tensorflow as tf


class Adam:
    """Adam with decoupled weight decay, one operation per variable, and averaged weights.

    Keras' own optimiser needs a dozen passes through memory per step. Scales and offsets go faster
    than kernels: goals do not have the spread that a normalisation starts with.
    """

    def __init__(self, variables, decay: float = 0.02):
        self.variables = [v.value for v in variables]
        self.decayed = [v.value for v in variables if v.name == "kernel"]
        self.decay = decay
        self.speeds = [_speed(v) for v in variables]
        self.first = [tf.Variable(tf.zeros_like(v)) for v in self.variables]
        self.second = [tf.Variable(tf.zeros_like(v)) for v in self.variables]
        self.averages = [tf.Variable(v) for v in self.variables]
        self.count = tf.Variable(0.0)

    def state(self) -> list:
        """Return what it goes on from."""
        return [*self.first, *self.second, *self.averages, self.count]

    def apply(self, gradients, rate) -> None:
        """Make one step (D. Kingma and J. Ba, arXiv 1412.6980; decay: arXiv 1711.05101)."""
        self.count.assign_add(1.0)
        for v in self.decayed:
            v.assign(v * (1 - rate * self.decay))
        moments = zip(self.first, self.second, strict=True)
        places = zip(self.variables, self.speeds, moments, gradients, strict=True)
        for v, speed, (m, s), g in places:
            tf.raw_ops.ResourceApplyAdam(
                var=v.handle,
                m=m.handle,
                v=s.handle,
                beta1_power=0.9**self.count,
                beta2_power=0.99**self.count,
                lr=rate * speed,
                beta1=0.9,
                beta2=0.99,
                epsilon=1e-8,
                grad=g,
            )

    @tf.function
    def average(self, momentum) -> None:
        """Take the weights into their moving average."""
        for v, average in zip(self.variables, self.averages, strict=True):
            average.assign(average + (1 - momentum) * (v - average))


def _speed(variable) -> float:
    """Say how much faster than kernels a variable goes; the stem's goal is the furthest away."""
    if variable.path.startswith("stem_bn"):
        return 8.0
    return 1.0 if variable.name == "kernel" else 4.0
