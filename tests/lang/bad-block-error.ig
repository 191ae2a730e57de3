block g(x) { return max_pool2d(x, kernel: 9) }
block f(x) {
  return g(x)
}
model m(x: f32[1, 1, 6, 6]) -> (y: f32[1, 1, 6, 6]) {
  a = f(x, name: "one")
  y = f(a, name: "two")
}
