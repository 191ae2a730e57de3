model m(x: f32[1, 2]) -> (y: u8[1, 2]) {
  y = relu(x)
}
