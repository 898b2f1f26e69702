"""What a training run is told: fields, presets, recipes and schedules."""
