"""The page: what is on it and what it does. Picture arithmetic is `cyclegan_core`'s."""

import gradio.component_meta

# gradio would write a .pyi file beside every module that has a component of its own, which type checkers then read in
# the place of the module.
gradio.component_meta.create_or_modify_pyi = lambda *_: None
