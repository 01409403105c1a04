"""Parts of verbs; each verb is a file of the room above."""
