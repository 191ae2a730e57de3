model m(x: f32[1, 1, 6, 6]) -> (y: f32[1, 1, 6, 6]) {
  q: u8[1, 1, 6, 6] {scale: 0.1, zero_point: 200, qmax: 127} = quantize(x)
  y = dequantize(q)
}
