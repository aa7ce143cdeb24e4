"""Pulumi's language host for Python, written in Python.

The Pulumi CLI starts a process named `pulumi-language-python` to run programs, policy packs and plugins, and talks to
it over gRPC (the service `pulumirpc.LanguageRuntime`). The official one is a binary from Pulumi's download site; the
set-up installs this one where that site is not reached, and only there.
"""
