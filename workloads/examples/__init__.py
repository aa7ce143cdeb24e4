"""Real jobs on real data, written as a Vertex user would write them."""
