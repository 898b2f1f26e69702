"""What gradio remembers of each visit. Left alone, 200 kB and for good: of 10,000 calls of an endpoint, 2 GB."""

from types import SimpleNamespace

import gradio as gr
from gradio.state_holder import SessionState, StateHolder


class Visits(StateHolder):
    """gradio's sessions without a copy of what the page looks like, which only its deep links need."""

    def __getitem__(self, session_id: str) -> SessionState:
        if session_id not in self.session_data:
            looks_like_nothing = SimpleNamespace(default_config=self.blocks.default_config, blocks={})
            self.session_data[session_id] = SessionState(looks_like_nothing)  # type: ignore[arg-type]
        state = super().__getitem__(session_id)
        self.time_last_used.clear()  # nobody reads it, and it would grow
        return state


def remember_little(page: gr.Blocks) -> None:
    """For a page that is being served."""
    visits = Visits()
    visits.set_blocks(page)
    page.app.state_holder = visits
