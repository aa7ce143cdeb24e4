"""The policy pack: safety rules for containers, budgets for the stack. `rules` holds them, `__main__` serves them."""
