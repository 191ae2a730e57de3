quantize {
  default static(minmax(u8))
  default static(activation: minmax)
  default static(bias: f32)
  default static(requantize: integer)
  default static(bias: int32, bias: float32)
}
