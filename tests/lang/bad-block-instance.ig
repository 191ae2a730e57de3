block f(x) { return relu(x) }
model m(x: f32[1, 1, 6, 6]) -> (y: f32[1, 1, 6, 6]) {
  y = f(x, name: "/")
}
