"""What a file is, by its first bytes."""

from pathlib import Path

#: What a file is, by where in it which bytes stand.
_MARKS = {
    "a PNG image": (0, b"\x89PNG"),
    "a JPEG image": (0, b"\xff\xd8\xff"),
    "a TIFF image": (0, b"II*\0"),
    "a big-endian TIFF image": (0, b"MM\0*"),
    "a BMP image": (0, b"BM"),
    "a WebP image": (8, b"WEBP"),
    "a TFLite model": (4, b"TFL3"),
    "a ZIP or NPZ archive": (0, b"PK\x03\x04"),
    "a gzip archive": (0, b"\x1f\x8b"),
    "an HDF5 file": (0, b"\x89HDF"),
    "a Parquet table": (0, b"PAR1"),
    "a PDF document": (0, b"%PDF"),
    "a NumPy array": (0, b"\x93NUMPY"),
    "a pickle": (0, b"\x80"),
    "a program": (0, b"\x7fELF"),
}

#: What files with these suffixes are.
BY_SUFFIX = {
    ".npz": "a ZIP or NPZ archive",
    ".parquet": "a Parquet table",
    ".pkl": "a pickle",
    ".png": "a PNG image",
    ".tflite": "a TFLite model",
}


def kind_of_file(path: Path) -> str | None:
    """Return what an ordinary file is, in words; None for a text, or what is not known.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     _ = file.write(b"\\x89PNG and more")
    ...     file.flush()
    ...     kind_of_file(Path(file.name))
    'a PNG image'
    """
    with path.open("rb") as file:
        start = file.read(16)
    for kind, (place, mark) in _MARKS.items():
        if start[place : place + len(mark)] == mark:
            return kind
    return None
