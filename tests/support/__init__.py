"""What several tests need: real stacks and throw-away engines."""
