quantize {
  order relu skip
}
