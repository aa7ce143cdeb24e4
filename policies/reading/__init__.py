"""Reading resources as Pulumi's engine shows them to policies: the rules see one kind of workload, whichever backend.

`workloads` has the common words, `docker` and `kubernetes` fill them, `resources` chooses between the two.
"""
