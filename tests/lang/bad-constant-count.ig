model m(x: f32[1, 1, 6, 6]) -> (y: f32[1, 1, 6, 6]) {
  c: f32[1, 1, 1, 3] = constant(values: [1, 2])
  y = add(x, c)
}
