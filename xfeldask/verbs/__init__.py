"""What a person asks for, one verb a module."""
