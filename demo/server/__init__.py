"""The server around the page: request limits, sessions, temporary files, long work, patches of gradio."""
