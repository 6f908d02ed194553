"""What a command left on the screen."""


def assert_one_line(capsys, *words: str) -> None:
    """Make sure that stderr holds one line with these words; capsys or capfd."""
    error = capsys.readouterr().err
    assert error.count("\n") == 1, error
    for word in words:
        assert word in error
