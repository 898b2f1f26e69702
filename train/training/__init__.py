"""The training itself: the loop, its step, its state, checkpoints and snapshots."""
