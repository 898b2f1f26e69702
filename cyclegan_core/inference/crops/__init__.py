"""What is done to the crops of faces before a generator sees them, and to what it has painted."""
