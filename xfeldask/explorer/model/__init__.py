"""What the explorer shows, without a browser."""
