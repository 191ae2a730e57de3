quantize {
  default weight_only(weights: minmax(s4, per_tensor, group: 32))
  type linear weight_only(weights: minmax(s8, group: 1))
  match /a/ static(weights: minmax(s8, group: 32))
  match /b/ weight_only(weights: mse(s4, group: 32, quant_min: -7, quant_max: 7))
  match /c/ weight_only(activations: minmax)
  match /d/ weight_only(weights: minmax(s4, quant_min: -9, quant_max: 7))
  layer "x" float16
}
