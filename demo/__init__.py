"""The page: what is on it and what it does. Picture arithmetic is `cyclegan_core`'s."""
