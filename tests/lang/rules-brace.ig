quantize {
  default skip
