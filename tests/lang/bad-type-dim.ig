model m(x: f32[1, 0]) -> (y: f32[-1, 1.5]) {
  y = relu(x)
}
