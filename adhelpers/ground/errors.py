"""The one exception that a user is meant to read."""


class UserError(ValueError):
    """Something that the user can put right.

    The message is one line: what was found, what was expected, and what to do next. The commands
    print it without a traceback and exit with code 2; in a notebook it is an ordinary
    ``ValueError``.
    """
