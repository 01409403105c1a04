"""Looking at the shots of a store: what can be told, picked and summed up without a browser, and the views of it."""
