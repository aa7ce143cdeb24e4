"""MLflow's tracking server and model registry on PostgreSQL and S3, behind a check of the stack's tokens."""
