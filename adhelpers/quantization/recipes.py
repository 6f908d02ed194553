"""What is asked of ai-edge-quantizer, which is imported when it is first needed."""

from ..ground import silence


def begun(model: bytes):
    """Return the quantizer of a float32 model, without any recipe."""
    from ai_edge_quantizer import quantizer

    return quantizer.Quantizer(model)


def every() -> dict:
    """Return what names all operators to a quantizer."""
    from ai_edge_quantizer import qtyping

    return {"regex": ".*", "operation_name": qtyping.TFLOperationName.ALL_SUPPORTED}


def add_float16(work) -> None:
    """Have all weights stored in 16 bits, for float arithmetic."""
    from ai_edge_quantizer import qtyping, quantizer

    weights = qtyping.TensorQuantizationConfig(num_bits=16, dtype=qtyping.TensorDataType.FLOAT)
    work.update_quantization_recipe(
        **every(),
        op_config=qtyping.OpQuantizationConfig(
            weight_tensor_config=weights,
            compute_precision=qtyping.ComputePrecision.FLOAT,
            explicit_dequantize=True,
        ),
        algorithm_key=quantizer.AlgorithmName.FLOAT_CASTING,
    )


def finished(work, ranges: dict | None = None) -> bytes:
    """Return the quantized model, quietly; `ranges` are those of the activations."""
    with silence():
        return bytes(work.quantize(ranges, enable_progress_report=False).quantized_model)
