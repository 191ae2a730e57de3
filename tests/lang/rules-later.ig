quantize {
  default dynamic
  type relu float16
  match /b/ default_dynamic
  layer "a" static(weights: minmax(s4))
  default bfloat16(weights: minmax)
  default dynamic(activations: minmax)
}
