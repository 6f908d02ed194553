"""Operators appended by hand to a TFLite model, which is otherwise left as it is.

The format is that of the schema
https://github.com/tensorflow/tensorflow/blob/master/tensorflow/compiler/mlir/lite/schema/schema.fbs
"""

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.tools import flatbuffer_utils

from ..ground import UserError

_OPERATORS = schema.BuiltinOperator
_OPTIONS = schema.BuiltinOptions
_TYPES = schema.TensorType
_CODES = {np.float32: _TYPES.FLOAT32, np.int32: _TYPES.INT32}


class Graph:
    """The main graph of a TFLite model.

    Its tensors are known by their numbers, which the operators below take and return. All
    operators work in float32 on matrices with one row, (1, N).

    Parameters
    ----------
    model : bytes
        The content of a ``.tflite`` file with one signature.
    """

    def __init__(self, model: bytes):
        self.model = flatbuffer_utils.read_model_from_bytearray(bytearray(model))
        self.main = self.model.subgraphs[0]

    def packed(self) -> bytes:
        """Return the content of a ``.tflite`` file."""
        return bytes(flatbuffer_utils.convert_object_to_bytearray(self.model))

    def outputs(self) -> dict[str, int]:
        """Return the outputs by their names in the signature."""
        (signature,) = self.model.signatureDefs
        return {entry.name.decode(): entry.tensorIndex for entry in signature.outputs}

    def set_signature(self, image: str, outputs: dict[str, int]) -> None:
        """Name the input, and make these tensors the only outputs."""
        (signature,) = self.model.signatureDefs
        signature.inputs = [_entry(image, self.main.inputs[0])]
        signature.outputs = [_entry(name, tensor) for name, tensor in outputs.items()]
        self.main.outputs = list(outputs.values())

    def attach(self, name: bytes, data: bytes) -> None:
        """Put named bytes into the model, as metadata."""
        entry = schema.MetadataT()
        entry.name, entry.buffer = name, self._buffer(data)
        self.model.metadata = [*(self.model.metadata or []), entry]

    def take_bytes(self, name: str) -> None:
        """Make the input uint8, 0-255.

        Raises
        ------
        UserError
            If it is neither float32 nor uint8 already.
        """
        old = self.main.inputs[0]
        kind = self.main.tensors[old].type
        if kind == _TYPES.UINT8:
            return
        if kind != _TYPES.FLOAT32:
            raise UserError(
                "the network takes neither float32 nor uint8; convert it with such input"
            )
        image = self._tensor(self.shape(old), name, _TYPES.UINT8)
        options = schema.CastOptionsT()
        options.inDataType, options.outDataType = _TYPES.UINT8, _TYPES.FLOAT32
        self.main.operators.insert(0, self._operator(_OPERATORS.CAST, [image], old, options))
        self.main.inputs = [image]

    def shape(self, tensor: int) -> tuple[int, ...]:
        """Return the shape of a tensor."""
        return tuple(self.main.tensors[tensor].shape)

    def constant(self, array: np.ndarray, name: str, kind: type = np.float32) -> int:
        """Append an array."""
        data = np.ascontiguousarray(array, kind)
        return self._tensor(data.shape, name, _CODES[kind], self._buffer(data.tobytes()))

    def as_float(self, a: int) -> int:
        """Return a tensor's values as float32: dequantized, if need be."""
        if self.main.tensors[a].type == _TYPES.FLOAT32:
            return a
        return self._apply(_OPERATORS.DEQUANTIZE, [a], self.shape(a), schema.DequantizeOptionsT())

    def add(self, a: int, b: int) -> int:
        """Append a + b."""
        return self._apply(_OPERATORS.ADD, [a, b], self.shape(a), schema.AddOptionsT())

    def subtract(self, a: int, b: int) -> int:
        """Append a - b."""
        return self._apply(_OPERATORS.SUB, [a, b], self.shape(a), schema.SubOptionsT())

    def multiply(self, a: int, b: int) -> int:
        """Append the product of each element of a with that of b."""
        return self._apply(_OPERATORS.MUL, [a, b], self.shape(a), schema.MulOptionsT())

    def sqrt(self, a: int, name: str) -> int:
        """Append the square root of each element."""
        return self._apply(_OPERATORS.SQRT, [a], self.shape(a), name=name)

    def matmul(self, a: int, b: int, transposed: bool = False) -> int:
        """Append the matrix product of a with b, or with b's transpose."""
        options = schema.BatchMatMulOptionsT()
        options.adjY = transposed
        width = self.shape(b)[0 if transposed else 1]
        return self._apply(_OPERATORS.BATCH_MATMUL, [a, b], (1, width), options)

    def concatenate(self, columns: list[int]) -> int:
        """Append the row of these numbers, (1, 1) each."""
        options = schema.ConcatenationOptionsT()
        options.axis = 1
        return self._apply(_OPERATORS.CONCATENATION, columns, (1, len(columns)), options)

    def total(self, a: int, name: str, keep_dims: bool = True) -> int:
        """Append the sum over the row: (1, 1), or (1,)."""
        options = schema.ReducerOptionsT()
        options.keepDims = keep_dims
        axis = self.constant(np.array([1]), f"{name}/axis", np.int32)
        return self._apply(_OPERATORS.SUM, [a, axis], (1, 1) if keep_dims else (1,), options, name)

    def _apply(self, code: int, inputs: list[int], shape, options=None, name: str = "") -> int:
        output = self._tensor(shape, name or f"detector/{len(self.main.tensors)}", _TYPES.FLOAT32)
        self.main.operators.append(self._operator(code, inputs, output, options))
        return output

    def _operator(self, code: int, inputs: list[int], output: int, options):
        operator = schema.OperatorT()
        operator.opcodeIndex = self._opcode(code)
        operator.inputs, operator.outputs = inputs, [output]
        if options:
            kind = type(options).__name__.removesuffix("T")
            operator.builtinOptionsType = getattr(_OPTIONS, kind)
            operator.builtinOptions = options
        return operator

    def _opcode(self, code: int) -> int:
        """Return the place of an operator, version 1, in the model's table; add it if need be."""
        for place, known in enumerate(self.model.operatorCodes):
            if (known.builtinCode, known.version) == (code, 1):
                return place
        entry = schema.OperatorCodeT()
        entry.builtinCode = entry.deprecatedBuiltinCode = code
        entry.version = 1
        self.model.operatorCodes.append(entry)
        return len(self.model.operatorCodes) - 1

    def _tensor(self, shape: tuple[int, ...], name: str, code: int, buffer: int = 0) -> int:
        tensor = schema.TensorT()
        tensor.shape, tensor.type, tensor.buffer = list(shape), code, buffer
        tensor.name, tensor.hasRank = name.encode(), True
        self.main.tensors.append(tensor)
        return len(self.main.tensors) - 1

    def _buffer(self, data: bytes) -> int:
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(data, np.uint8)
        self.model.buffers.append(buffer)
        return len(self.model.buffers) - 1


def _entry(name: str, tensor: int):
    entry = schema.TensorMapT()
    entry.name, entry.tensorIndex = name.encode(), tensor
    return entry


def take_bytes(model: bytes) -> bytes:
    """Make a model take uint8 images, as cameras and decoders give them; nothing else changes.

    Parameters
    ----------
    model : bytes
        From `adhelpers.backbones.convert` or `adhelpers.quantization.quantize`.

    Returns
    -------
    model : bytes
        The same numbers for the same image, 0-255.
    """
    graph = Graph(model)
    outputs = graph.outputs()
    graph.take_bytes("image")
    graph.set_signature("image", outputs)
    return graph.packed()
