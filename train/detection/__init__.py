"""Training of the face detector: a RetinaFace taught by another one's answers."""
