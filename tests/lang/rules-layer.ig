quantize {
  layer "a{1}" skip
  layer "" skip
}
