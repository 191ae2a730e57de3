model m(x: float32[1]) -> (y: f31[1]) {
  y = relu(x)
}
