"""From a picture to its faces, from a face to the crop that a generator sees, and back. Knows nothing of networks."""
