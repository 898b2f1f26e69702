"""The web page: its tabs, its API and the server around them. All arithmetic on pictures is in `cyclegan_core`."""

from demo.server.gradio_patches import disable_stub_files

disable_stub_files()  # before the first module that defines a component
