quantize {
  default dynamic
  type relu float16
  layer "a" static(activations: percentile(u8))
  default static(weights: minmax(s4))
}
