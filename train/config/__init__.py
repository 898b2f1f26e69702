"""The settings of a training run: fields, presets, recipes and schedules."""
