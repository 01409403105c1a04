"""What a person asks for, one verb a module; their parts, and what they are given, in rooms below."""
