"""What runs containers: one protocol (base), one file per engine."""
