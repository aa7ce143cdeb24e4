"""The HTTP surface: Vertex AI v1 and v1beta1, Cloud Storage JSON, and our extension paths."""
