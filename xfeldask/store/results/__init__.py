"""What was made of the shots of a run, or said of them, and lies in its store under a name."""
