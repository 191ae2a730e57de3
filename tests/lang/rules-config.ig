quantize {
  default statik(activations: minmax(u8))
  layer "a" fbgem
  layer "y" skip(1)
}
