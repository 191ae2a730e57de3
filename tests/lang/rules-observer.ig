quantize {
  default static(activations: minmaxx(u8))
  default static(activations: 3)
  default static(activations: minmax(s8))
  default static(weights: minmax(u8))
  default static(weights: histogram(s8))
  default static(activations: minmax(u8, per_channel))
  default static(activations: minmax(u8, reduced_range))
  default static(activations: minmax(8))
}
