model m(x) -> (y: f32[1]) {
  y = relu(x)
}
