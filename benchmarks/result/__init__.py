"""What a bench found, as dataclasses that go to JSON and back, and the words and budgets that belong to it."""
