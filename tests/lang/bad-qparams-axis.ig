model m(x: f32[1, 1, 6, 6]) -> (y: f32[1, 1, 6, 6]) {
  q: u8[1, 1, 6, 6] {scale: [0.1, 0.2], axis: 1} = quantize(x)
  y = dequantize(q)
}
