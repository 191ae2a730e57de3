quantize {
  default 3
}
