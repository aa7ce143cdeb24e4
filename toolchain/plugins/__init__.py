"""Pulumi provider plugins in Python, for machines that can't reach Pulumi's download site."""
