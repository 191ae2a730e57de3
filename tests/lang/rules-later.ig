quantize {
  default dynamic
  type relu float16
  match /b/ default_dynamic
  layer "a" static(weights: minmax(s4))
  default bfloat16(weights: minmax)
  default dynamic(activations: mse)
  default dynamic(activations: minmax(s8))
  default dynamic(activations: minmax(u8, reduce_range), weights: minmax(s4))
  default dynamic(bias: float32)
  default dynamic(activations: minmax(u8, quant_min: 0, quant_max: 200))
  default dynamic(activations: minmax(reduce_range), weights: minmax(s8, per_tensor))
}
