"""What a person sees of a run: logs, and notes when something goes wrong."""
