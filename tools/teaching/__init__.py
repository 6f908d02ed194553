"""The teacher's material, made of docs/teaching: slides, a cheat sheet and a feedback form."""
