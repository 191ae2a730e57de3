model m(x: f32[1, 1, 6, 6]) -> (y: f32[1, 1, 6, 6]) {
  q: f32[1, 1, 6, 6] {scale: 0.1} = relu(x)
  y = relu(x)
}
