model m(x: f32[1, 6]) -> (a: f32[1, 3], b: f32[1, 3]) {
  a, b, c = rnn(x)
  a, b = relu(x)
  a, b = split(x, axis: 1, sizes: [1, 2, 3])
  a: f32[1, 3], b: f32[1, 2] = split(x, axis: 1)
  a, b = split(x, axis: 1, results: ["u"])
}
