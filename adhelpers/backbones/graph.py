"""Operators appended by hand to a TFLite model, which is otherwise left as it is.

The format is that of the schema
https://github.com/tensorflow/tensorflow/blob/master/tensorflow/compiler/mlir/lite/schema/schema.fbs
"""

from collections.abc import Sequence

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.tools import flatbuffer_utils

from ..ground import UserError
from .networks import map_name

_OPERATORS = schema.BuiltinOperator
_OPTIONS = schema.BuiltinOptions
_TYPES = schema.TensorType
_CODES = {np.float32: _TYPES.FLOAT32, np.int32: _TYPES.INT32}


class Graph:
    """The main graph of a TFLite model.

    Its tensors are known by their numbers.

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
        for buffer in self.model.buffers:
            if isinstance(buffer.data, bytearray):  # would be packed number by number, for seconds
                buffer.data = np.frombuffer(buffer.data, np.uint8)
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

    def drop_unused(self) -> None:
        """Take out the operators that no output depends on, and the constants of these alone.

        Tensors keep their numbers.
        """
        needed, kept = set(self.main.outputs), []
        for operator in reversed(self.main.operators):
            if not needed.isdisjoint(operator.outputs):
                needed.update(operator.inputs)
                kept.append(operator)
        dropped = len(kept) < len(self.main.operators)
        self.main.operators = kept[::-1]
        if dropped:
            self._empty_buffers(set(range(len(self.main.tensors))) - needed, needed)

    def _empty_buffers(self, unused: set[int], needed: set[int]) -> None:
        """Empty the buffers that unused tensors have, and no needed one."""
        freed, held = ({self.main.tensors[i].buffer for i in x if i >= 0} for x in (unused, needed))
        for place in freed - held:
            self.model.buffers[place].data = None

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

    def map_before(self, tensor: int) -> int:
        """Return the feature map that a level's vector is the average of, as it is in the model.

        Parameters
        ----------
        tensor : int
            The vector, one of `outputs`.

        Returns
        -------
        tensor : int
            Of shape (1, h, w, D); int8 where the network is.

        Raises
        ------
        UserError
            If the vector is no average of a map.
        """
        made = {op.outputs[0]: op for op in self.main.operators}
        while len(self.shape(tensor)) < 4 or self._is_dequantized(made.get(tensor)):
            if tensor not in made:
                raise UserError("the network's vectors are no averages of feature maps")
            tensor = int(made[tensor].inputs[0])
        return tensor

    def _is_dequantized(self, operator) -> bool:
        if operator is None:
            return False
        return self.model.operatorCodes[operator.opcodeIndex].builtinCode == _OPERATORS.DEQUANTIZE

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
        return self.apply(_OPERATORS.DEQUANTIZE, [a], self.shape(a), schema.DequantizeOptionsT())

    def apply(self, code: int, inputs: list[int], shape, options=None, name: str = "") -> int:
        """Append an operator with one output, float32.

        Parameters
        ----------
        code : int
            One of the schema's `BuiltinOperator`.
        inputs : list of int
        shape : sequence of int
            Of the output.
        options : object, optional
            The operator's, from the schema.
        name : str
            Of the output.

        Returns
        -------
        output : int
        """
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


def with_maps(model: bytes, levels: Sequence[str]) -> bytes:
    """Make a model give the feature maps of some levels as well; nothing else changes.

    Parameters
    ----------
    model : bytes
        From `adhelpers.backbones.convert` or `adhelpers.quantization.quantize`.
    levels : sequence of str

    Returns
    -------
    model : bytes
        With outputs ``LEVEL/map`` besides, float32, (1, h, w, D).
    """
    graph = Graph(model)
    outputs = graph.outputs()
    for name in levels:
        outputs[map_name(name)] = graph.as_float(graph.map_before(outputs[name]))
    graph.set_signature("image", outputs)
    return graph.packed()
