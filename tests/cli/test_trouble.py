"""What goes wrong around a command, not in it: signals, full disks, closed pipes, odd names."""

import errno
import io
import os
import signal
import subprocess
import sys
import types

import pytest

from adhelpers import cli
from adhelpers.ground import UserError

pytestmark = pytest.mark.trouble

_posix = pytest.mark.skipif(os.name != "posix", reason="signals and devices are POSIX")

#: A program that runs `adhelpers doctor` with the body of a command put in its place.
_PROGRAM = """
import sys, types
from adhelpers import cli, ground
def execute(options):
    {body}
command = types.ModuleType("adhelpers.cli.doctor", "A command.")
command.execute, command.add_options = execute, lambda parser: None
sys.modules[command.__name__] = command
sys.exit(cli.main(["doctor"]))
"""


def program(body: str) -> list[str]:
    """Return the words that run a command with this body, one line of Python."""
    return [sys.executable, "-c", _PROGRAM.format(body=body)]


@pytest.fixture
def command(monkeypatch):
    """Return a function that runs a command, whose body it is given, and returns its code."""

    def run(body) -> int:
        module = types.ModuleType("adhelpers.cli.doctor", "A command.")
        module.execute, module.add_options = lambda options: body(), lambda parser: None
        monkeypatch.setitem(sys.modules, module.__name__, module)
        return cli.main(["doctor"])

    return run


def raiser(error: BaseException):
    """Return a function that raises an error."""

    def body():
        raise error

    return body


@_posix
@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_signal_ends_a_command_and_leaves_no_file(tmp_path, name, code):
    body = f"exec('''with ground.written_whole({str(tmp_path / 'a.txt')!r}) as x:\\n"
    body += ' x.write_text("half"); print("here", flush=True); import time; time.sleep(60)\'\'\')'
    usual = lambda: signal.signal(getattr(signal, name), signal.SIG_DFL)  # noqa: E731
    with subprocess.Popen(
        program(body),
        stdout=-1,
        stderr=-1,
        text=True,
        preexec_fn=None if name == "SIGINT" else usual,  # nohup's children ignore SIGHUP
    ) as process:
        assert process.stdout.readline() == "here\n"
        process.send_signal(getattr(signal, name))
        _, error = process.communicate(timeout=60)
    assert process.returncode == code
    assert error.strip() == "adhelpers: interrupted; the same command goes on from here"
    assert list(tmp_path.iterdir()) == []


@_posix
def test_handlers_are_put_back_and_an_ignored_signal_stays_so(command):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        seen = []
        term = signal.getsignal(signal.SIGTERM)
        body = lambda: seen.extend(map(signal.getsignal, (signal.SIGHUP, signal.SIGTERM)))  # noqa: E731
        assert command(body) == 0
        assert seen[0] is signal.SIG_IGN
        assert seen[1] is not term
        assert signal.getsignal(signal.SIGTERM) is term
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "a/b.png"), "a/b.png: Permission den"),
        (FileNotFoundError(errno.ENOENT, "No such file", b"a\xfc.png"), "a\\udcfc.png: No such"),
        (OSError(errno.ENOSPC, "No space left on device", "x", None, "y"), "y: No space left"),
        (OSError("something"), "something"),
        (OSError(), "OSError"),
        (MemoryError("Unable to allocate 196 GiB"), "out of memory (Unable to allocate 196 GiB); "),
        (MemoryError(), "out of memory; close other programs"),
        (UserError("a\nb\x1b[31m.png"), "a\\nb\\x1b[31m.png"),
    ],
)
def test_errors_of_the_system_are_one_line(command, capsys, error, words):
    assert command(raiser(error)) == 2
    printed = capsys.readouterr().err
    assert printed.startswith(f"adhelpers: {words}")
    assert printed.count("\n") == 1


@pytest.mark.parametrize("option", ["--data_path", "--save_path", "--category", "--weights"])
def test_a_path_of_5000_characters(tmp_path, monkeypatch, capsys, small_root, option):
    monkeypatch.chdir(tmp_path)
    words = ["run", "--data_path", "data", "--model_name", "efficientnet-b0", "--save_path", "out"]
    assert cli.main([*words, "--detector", "pooled", option, "a" * 5000]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@_posix
@pytest.mark.parametrize("body", ["print('x')", "print('x' * 100_000)", "print('x', flush=True)"])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_disk_under_stdout(body, unbuffered):
    environment = os.environ | {"PYTHONUNBUFFERED": unbuffered}
    for words in (
        program(body),
        [*program(body)[:2], "from adhelpers import cli; cli.main(['-h'])"],
    ):
        with open("/dev/full", "w") as full:
            done = subprocess.run(words, stdout=full, stderr=-1, text=True, env=environment)
        assert done.stderr == "adhelpers: standard output: No space left on device\n"
    assert done.returncode in (0, 2)


@_posix
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_closed_pipe_ends_a_command_without_a_word(unbuffered):
    environment = os.environ | {"PYTHONUNBUFFERED": unbuffered}
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        program("print('x' * 100_000)"), stdout=writer, stderr=-1, text=True, env=environment
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_any_name_can_be_printed(command, monkeypatch, encoding):
    names = ["検査", "Prüfling", "😀", "\udcfc", "$5", "a\x1b[2Jb\x07", "c\x85d", "e\u202ef"]
    stream = io.TextIOWrapper(io.BytesIO(), encoding, write_through=True)
    monkeypatch.setattr(sys, "stdout", stream)
    assert command(lambda: print(*names, sep="\n")) == 0
    shown = stream.buffer.getvalue().decode(encoding).splitlines()
    assert len(shown) == len(names)
    assert shown[3:] == ["\\udcfc", "$5", "a\\x1b[2Jb\\x07", "c\\x85d", "e\\u202ef"]
    assert (shown[0] == "検査") == (encoding == "utf-8")
    assert (shown[1] == "Prüfling") == (encoding != "ascii")


def test_latin_1_bytes_in_an_argument_are_said_in_one_line():
    words = [sys.executable, "-c", "import sys; from adhelpers.cli import main; sys.exit(main())"]
    for locale in ("C", "C.UTF-8"):
        environment = os.environ | {"LC_ALL": locale, "PYTHONIOENCODING": ""}
        arguments = ["run", "--data_path", b"Pr\xfcf/\xe6\xa4\x9c"]
        done = subprocess.run([*words, *arguments], capture_output=True, env=environment)
        assert done.returncode == 2
        assert done.stderr.decode().count("\n") == 1
        assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("backend", ["nonsense", "qtagg"])
def test_figures_need_no_backend_of_the_user(backend):
    body = "from adhelpers.evaluation import plots"
    environment = os.environ | {"MPLBACKEND": backend}
    done = subprocess.run(program(body), capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
