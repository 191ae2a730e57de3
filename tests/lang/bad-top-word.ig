modle m(x: f32[1]) -> (y: f32[1]) {
  y = relu(x)
}
