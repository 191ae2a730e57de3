model m(x: f32[1, 1, 6, 6]) -> (y: f32[1, 1, 6, 6]) {
  y = max_pool2d(x, kernel: [3, 3, 3], stride: [], pad: [1, 1, 1])
}
