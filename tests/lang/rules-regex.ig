quantize {
  match /conv[/ skip
  match /(/ skip
}
