quantize {
  layer conv0 skip
}
