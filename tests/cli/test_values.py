"""What is not to be taken from the command line: numbers out of proportion, and empty words."""

import argparse

import pytest
from screens import assert_one_line

from adhelpers import cli
from adhelpers.cli import values

pytestmark = pytest.mark.trouble


def actions(command: str) -> list[argparse.Action]:
    """Return the options of a command that take a value of their own kind."""
    (commands,) = cli._parser([command])._subparsers._group_actions
    found = commands.choices[command]._actions
    return [one for one in found if one.nargs != 0 and not one.choices]


def is_of_numbers(action: argparse.Action) -> bool:
    try:
        action.type("word")
    except argparse.ArgumentTypeError as error:
        return "number" in str(error)
    return False


ALL = [(command, action) for command in cli.COMMANDS for action in actions(command)]
NUMBERS = [
    (command, *action.option_strings[:1]) for command, action in ALL if is_of_numbers(action)
]
NO_NUMBERS = ["-1", "1e30", str(10**30), "9" * 5000, "nan", "inf", "-inf", "many", "", "0x10"]

SCORES = ["-1", "1e30", str(10**30)]  # which may be of any size


def test_all_that_is_taken_is_checked_in_one_place():
    for command, action in ALL:
        assert action.type.__module__ == values.__name__, (command, action.dest)
    assert {option for _, option in NUMBERS} >= {
        *("--batch_size", "--copies", "--threads", "--seed", "--input_size", "--n_calibration"),
        *("--folds", "--examples", "--quantile", "--ridge", "--variance_share", "--tied_weight"),
        *("--rank", "--threshold"),
    }


@pytest.mark.parametrize(
    ("command", "option", "number"),
    [
        (*pair, number)
        for pair in NUMBERS
        for number in NO_NUMBERS
        if "--threshold" not in pair or number not in SCORES
    ],
)
def test_numbers_out_of_proportion(capsys, command, option, number):
    with pytest.raises(SystemExit, match="2"):
        cli.main([command, f"{option}={number}"])
    assert_one_line(capsys, option, "is not a", f"see adhelpers {command} --help")


@pytest.mark.parametrize("number", ["0", "1e9", "1000000000", "2.5", "1_000"])
@pytest.mark.parametrize("option", ["--batch_size", "--copies", "--n_calibration"])
def test_counts_are_whole_and_within_bounds(capsys, option, number):
    with pytest.raises(SystemExit, match="2"):
        cli.main(["run", option, number])
    assert_one_line(capsys, option, f"{number!r} is not a whole number from 1 to")


@pytest.mark.parametrize("number", ["0", "1", "1.0", "2"])
@pytest.mark.parametrize("option", ["--quantile", "--variance_share"])
def test_shares_lie_between_0_and_1(capsys, option, number):
    with pytest.raises(SystemExit, match="2"):
        cli.main(["run", option, number])
    assert_one_line(capsys, option, f"{number!r} is not a number between 0 and 1")


@pytest.mark.parametrize("empty", ["", " "])
def test_empty_words(capsys, empty):
    for command, action in ALL:
        if is_of_numbers(action):
            continue
        named = [f"{action.option_strings[0]}={empty}"] if action.option_strings else [empty] * 2
        with pytest.raises(SystemExit, match="2"):
            cli.main([command, *named])
        assert_one_line(capsys, f"adhelpers {command}: argument", "it is empty")
