block f(x) { return slice(x, starts: scale, ends: 6, axes: 2) }
model m(x: f32[1, 1, 6, 6]) -> (y: f32[1, 1, 6, 6]) {
  scale = 3
  y = f(x)
}
