"""Run the notebooks and write them back, check them, and make the student edition."""
