"""The training of the face detector."""
