"""Shots by what is known of them: columns, the language of selections, those that are chosen."""
