"""Small and fast: ONNX export, int8 quantisation, and what they cost and bring."""
