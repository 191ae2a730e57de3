block f(x, x) { return relu(x) }
block g(name) { return relu(name) }
model m(x: f32[1, 1, 6, 6]) -> (y: f32[1, 1, 6, 6]) {
  y = f(x, x)
}
