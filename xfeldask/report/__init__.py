"""What people read: printed tables, figures, the demo."""
