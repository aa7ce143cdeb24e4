"""HOW the primitives become real: one package per backend, each with the same file names."""
