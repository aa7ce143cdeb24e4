"""Kinds: what a platform is made of. A file each: docstring, frozen `XArgs`, a pure `plan`, a short component.

A kind is written over the primitives of `infra.backends.base` and never asks which backend it has.
"""
