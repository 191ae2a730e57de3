model m(x: f32[1, 4]) -> (a: u8[1, 4] {scale: 0.1, zero_point: 3}, b: u8[1, 4] {scale: 0.1}, c: u8[1, 4] {scale: 0.1}, d: u8[1, 4] {scale: 25.6, zero_point: 128}) quantized {
  a: u8[1, 4] {scale: 0.1, zero_point: 3} = quantize(x, part: high)
  b: u8[1, 4] {scale: 0.1} = quantize(x, part: middle)
  c: u8[1, 4] {scale: 0.1, qmax: 127} = quantize(x, part: low)
  d: u8[1, 4] {scale: 25.6, zero_point: 128} = quantize(x, part: high)
}
