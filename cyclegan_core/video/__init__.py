"""Films and streams of frames: reading, writing, tracking faces, smoothing."""
