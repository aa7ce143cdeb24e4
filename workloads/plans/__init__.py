"""Pure functions from a wish (a job, a deployed model, a batch prediction) to groups of containers."""
