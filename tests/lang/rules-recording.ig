quantize {
  default static(activations: recording(u8))
}
