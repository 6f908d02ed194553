"""What any room may use: the one exception, whole files, threads, quiet starts, choices by name."""

from .choices import check_choice, check_probability, chosen
from .errors import UserError
from .files import (
    check_writable,
    check_writable_file,
    reading,
    write_bytes,
    write_rows,
    write_text,
    written_whole,
)
from .lazy import lazy_names
from .parallel import available_cores, linear_algebra_threads, ordered_map
from .startup import load_keras, quiet_stderr, silence
