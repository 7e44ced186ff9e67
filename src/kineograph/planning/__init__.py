"""What a recipe costs at a setting, before anything is loaded: parameters, work, memory, time."""
