"""The verbs: simulate, embed, verify."""
