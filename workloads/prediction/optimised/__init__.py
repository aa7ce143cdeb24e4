"""A model becomes ONNX where that predicts the same; else it stays as it is. Both are said, with the reason."""
