quantize {
  lair "a" skip
  default skip, skip
}
