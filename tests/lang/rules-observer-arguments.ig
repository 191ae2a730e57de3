quantize {
  default static(activations: histogram(u8, bins: 3))
  default static(activations: moving_average(u8, averaging: 2))
  default static(activations: minmax(u8, bins: 2048))
  default static(activations: histogram(u8, bin: 2048))
}
