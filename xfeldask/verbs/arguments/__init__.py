"""What verbs are given: checked, and made into what they work on."""
