"""The workshop kit: all that a room without a network needs, on a USB stick."""
