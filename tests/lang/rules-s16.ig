quantize {
  default w8a16
  type linear static(activations: minmax(s16), weights: minmax(s8, per_tensor))
  type conv2d static(activations: mse(s16))
  type add static(activations: minmax(s16, affine))
  type mul static(activations: fixed(s16, scale: 0.1, zero_point: 3))
  type relu static(activations: minmax(s16, quant_min: -100, quant_max: 100))
  type tanh static(activations: percentile(s16, reduce_range))
  type sigmoid static(activations: minmax(s16), requantize: fixed)
  type softmax static(weights: minmax(s16))
  type clip static(activations: minmax(u16))
}
