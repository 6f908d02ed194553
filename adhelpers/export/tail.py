"""Arithmetic appended to a TFLite model, operator by operator."""

from collections.abc import Sequence

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from ..backbones import Graph

_OPERATORS = schema.BuiltinOperator


class Tail(Graph):
    """The main graph of a TFLite model, and float32 operators that can be appended to it.

    They take and return the numbers of tensors: vectors, as matrices with one row, (1, N), and
    maps, (1, h, w, D).
    """

    def add(self, a: int, b: int, name: str = "") -> int:
        """Append a + b."""
        return self.apply(_OPERATORS.ADD, [a, b], self.shape(a), schema.AddOptionsT(), name)

    def subtract(self, a: int, b: int, at_least_zero: bool = False) -> int:
        """Append a - b, or 0 where that is negative."""
        options = schema.SubOptionsT()
        if at_least_zero:
            options.fusedActivationFunction = schema.ActivationFunctionType.RELU
        return self.apply(_OPERATORS.SUB, [a, b], self.shape(a), options)

    def multiply(self, a: int, b: int) -> int:
        """Append the product of each element of a with that of b."""
        return self.apply(_OPERATORS.MUL, [a, b], self.shape(a), schema.MulOptionsT())

    def sqrt(self, a: int, name: str) -> int:
        """Append the square root of each element."""
        return self.apply(_OPERATORS.SQRT, [a], self.shape(a), name=name)

    def matmul(self, a: int, b: int, transposed: bool = False) -> int:
        """Append the matrix product of a with b, or with b's transpose."""
        options = schema.BatchMatMulOptionsT()
        options.adjY = transposed
        width = self.shape(b)[0 if transposed else 1]
        return self.apply(_OPERATORS.BATCH_MATMUL, [a, b], (self.shape(a)[0], width), options)

    def convolve(self, a: int, weights: int) -> int:
        """Append the product of each position's channels with a matrix: a 1 x 1 convolution.

        Parameters
        ----------
        a : int
            A map, (1, h, w, G * I), its channels in G groups of I.
        weights : int
            Of shape (G * O, 1, 1, I): a matrix (O, I) for each group, one after the other.

        Returns
        -------
        tensor : int
            The map (1, h, w, G * O).
        """
        options = schema.Conv2DOptionsT()
        options.padding = schema.Padding.VALID
        options.strideH = options.strideW = 1
        options.dilationHFactor = options.dilationWFactor = 1
        width = self.shape(weights)[0]
        inputs = [a, weights, self.constant(np.zeros(width), "zeros")]
        return self.apply(_OPERATORS.CONV_2D, inputs, (*self.shape(a)[:-1], width), options)

    def reshape(self, a: int, shape: Sequence[int], name: str = "") -> int:
        """Append the same elements in another shape."""
        options = schema.ReshapeOptionsT()
        options.newShape = list(shape)
        inputs = [a, self.constant(np.array(shape), "shape", np.int32)]
        return self.apply(_OPERATORS.RESHAPE, inputs, shape, options, name)

    def concatenate(self, rows: list[int], name: str = "") -> int:
        """Append the row of all these rows' numbers, (1, N)."""
        options = schema.ConcatenationOptionsT()
        options.axis = 1
        width = sum(self.shape(row)[1] for row in rows)
        return self.apply(_OPERATORS.CONCATENATION, rows, (1, width), options, name)

    def total(self, a: int, name: str, keep_dims: bool = True) -> int:
        """Append the sum over the row: (1, 1), or (1,)."""
        return self._reduce(_OPERATORS.SUM, a, [1], (1, 1) if keep_dims else (1,), name)

    def total_of_channels(self, a: int, name: str) -> int:
        """Append the sum over the channels of a map: (1, h, w, 1)."""
        return self._reduce(_OPERATORS.SUM, a, [3], (*self.shape(a)[:3], 1), name)

    def largest(self, a: int, name: str) -> int:
        """Append the largest number of a map with one channel: (1, 1)."""
        return self._reduce(_OPERATORS.REDUCE_MAX, a, [1, 2], (1, 1), name)

    def _reduce(self, code: int, a: int, axes: list[int], shape, name: str) -> int:
        options = schema.ReducerOptionsT()
        options.keepDims = len(shape) == len(self.shape(a))
        axes = self.constant(np.array(axes), f"{name}/axis", np.int32)
        return self.apply(code, [a, axes], shape, options, name)
