"""What any room may use: the one exception, whole files, threads, quiet starts, choices by name."""

from .choices import check_choice, check_probability, checked_truth, chosen
from .clock import timestamp
from .errors import UserError
from .files import (
    check_writable,
    check_writable_file,
    read_text,
    reading,
    write_bytes,
    write_rows,
    write_text,
    written_whole,
)
from .kinds import kind_of_file
from .lazy import lazy_names
from .leftovers import forget, remove_leftovers, temporary_path
from .packages import installed_version
from .parallel import available_cores, linear_algebra_threads, ordered_map
from .signals import Ended, ended_by_signals
from .startup import keras_settings, load_keras, quiet_stderr, silence
from .terminal import flush_stdout, give_up_stdout, one_line, safe_terminal
from .waiting import passing_time
