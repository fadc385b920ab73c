"""What a study leaves: tables, figures and its page. They read a result and compute no figure of their own."""
