"""The policy pack: safety rules for containers and budgets for the whole stack. Rules are in `rules`, `__main__` serves them."""
