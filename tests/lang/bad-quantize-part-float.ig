model m(x: f32[1, 4]) -> (y: f32[1, 4]) {
  q: u8[1, 4] {scale: 0.1} = quantize(x, part: low)
  y = dequantize(q)
}
