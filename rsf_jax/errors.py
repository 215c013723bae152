"""The one exception that stands for a user's mistake."""


class InputError(ValueError):
    """A value given by the user cannot be used.

    The message is one line that names the value, what is allowed and what to do. Library code
    raises it where input enters; commands print it alone, without a traceback.
    """
