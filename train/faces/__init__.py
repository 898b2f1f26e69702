"""Trains the small networks of `cyclegan_core/faces`: where landmarks are, and which pixels are the head."""
