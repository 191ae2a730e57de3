model m(x: f32[1]) -> (y: f32[1]) quantised {
  y = relu(x)
}
