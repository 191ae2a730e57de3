block f(x) { return g(x) }
block g(x) {
  y = relu(x)
  return f(y)
}
model m(x: f32[1, 1, 6, 6]) -> (y: f32[1, 1, 6, 6]) {
  y = f(x)
}
