model m(x: f32[1, 1, 6, 6]) -> (y: f32[1, 1, 6, 6]) {
  hidden = relu(x)
  y = relu(hiden)
  z = relu(hiden)
}
