model m(x: f32[1, 2]) -> (y: f32[1, 3]) {
  y = relu(x)
}
