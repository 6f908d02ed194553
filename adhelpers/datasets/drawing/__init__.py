"""How the embedded categories are drawn: a scene, its flaw, and a camera.

Each category has a module with two names: ``FLAWS``, which maps a defect type to the function that
pastes it on the photograph (or to None where the scene itself is drawn with it), and
``paint(size, rng, flaw)``, which returns a `scene.Scene`.
"""
