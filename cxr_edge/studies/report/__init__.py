"""What a study leaves: tables, figures and its page."""
