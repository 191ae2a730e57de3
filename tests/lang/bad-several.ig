model m(x: f32[1]) -> (y: f32[1]) {
  a = relu(,)
  b = = x
  c = relu(x))
  repeat as i { d = x }
  y = relu(x)
}
quantize { default }
