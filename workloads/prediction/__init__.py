"""The prebuilt scikit-learn model server: Vertex's serving contract over one model file."""
