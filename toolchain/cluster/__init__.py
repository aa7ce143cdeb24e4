"""A real single-node Kubernetes to try Cairn on and to test it: `python3 -m toolchain cluster up|down|status|import`.

The node is a process tree in namespaces of its own (network, mounts, processes), so it touches little of the machine,
a second one can stand beside it, and when its first process ends the kernel takes away everything that was in it.
"""
