model m(x: f32[1, 1, 6, 6]) -> (y: f32[1, 1, 6, 6]) {
  y = slice(x, starts: 7 % 0, ends: 3, axes: 2)
}
