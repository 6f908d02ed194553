"""Make the tables and figures of the docs again that rest on the built-in weights."""
