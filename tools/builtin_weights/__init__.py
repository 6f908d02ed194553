"""How the built-in weights are made: pictures from formulas, and a teacher to imitate."""
