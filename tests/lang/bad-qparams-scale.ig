model m(x: f32[1, 1, 6, 6]) -> (y: f32[1, 1, 6, 6]) {
  q: u8[1, 1, 6, 6] {zero_point: 3} = quantize(x)
  y = dequantize(q)
}
