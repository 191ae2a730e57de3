quantize {
  match conv skip
  match /open skip
  match / skip/ /
}
