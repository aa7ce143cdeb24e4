"""The prebuilt training image: runs a Vertex python_package_spec."""
