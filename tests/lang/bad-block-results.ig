block f(x) { return x, relu(x) }
model m(x: f32[1, 1, 6, 6]) -> (y: f32[1, 1, 6, 6]) {
  y = f(x)
  a, b, c = f(x)
}
