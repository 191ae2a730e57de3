model m(x: f32[1]) -> (x: f32[1]) {
  x = relu(x)
}
