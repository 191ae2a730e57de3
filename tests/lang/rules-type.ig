quantize {
  type rellu skip
  order relux 0 skip
}
