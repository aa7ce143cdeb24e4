"""What `pulumi up` runs: settings, kinds and the backends that carry them."""
