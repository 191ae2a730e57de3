model m(x: f32[1, 1, 6, 6]) -> (y: f32[1, 1, 6, 6]) {
  a = slice(x, starts: 0, ends: 4, axes: 2)
  y = concat(x, a, axis: 1)
}
