block f(x, times) {
  repeat times { x = relu(x) }
  return x
}
model m(x: f32[1, 1, 6, 6]) -> (y: f32[1, 1, 6, 6]) {
  a = f(x)
  b = f(x, 2, 3)
  c = f(x, time: 2)
  d = f(x, x: x, times: 2)
  y = f(x, times: 1)
}
